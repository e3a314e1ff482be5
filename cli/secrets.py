"""`rollout secrets`: show an environment's secrets, give one, or say which of two is right."""

import sys
from typing import TYPE_CHECKING

import typer

from cli.runs import server
from config.errors import RolloutError
from config.load import load_environment, load_release
from config.secrets import CREDENTIALS, required

if TYPE_CHECKING:
    from tasks.core.site import Site


def show(environment: str, name: str) -> list[str]:
    """The value of `name`, or the names of all that are known."""
    with server(environment):
        from tasks.core.secrets import known_secrets

        site = _site(environment)
        values = known_secrets(site.environment, site.release, site.node)
    if not name:
        return sorted(values)
    if name not in values:
        known = ", ".join(sorted(values)) or "none known yet; deploy first"
        raise RolloutError(f"{environment} has no secret {name!r}; expected one of: {known}")
    return [values[name].get_secret_value()]


def give(environment: str, name: str, *, yes: bool) -> None:
    """Save a value for `name`; one that is in use is replaced only after a yes.

    It is asked for unseen, or read from stdin: an argument would be in the process list.
    """
    desired = load_environment(environment)
    if source := desired.secrets.sources.get(name):
        raise RolloutError(
            f"{name} of {environment} is taken from {source}; change it there, or take it out of "
            "secrets.sources"
        )
    if name in CREDENTIALS:
        _give_credential(environment, name)
        return
    names = required(desired, load_release(desired.dify.release))
    if name not in names:
        raise RolloutError(
            f"{name!r} is no secret of {environment}; "
            f"expected one of: {', '.join([*names, *CREDENTIALS])}"
        )
    with server(environment):
        from pydantic import SecretStr

        from tasks.core.secret_places import decide, look

        site = _site(environment, prepared=True)
        if name in look(site.environment, site.release, site.node).values:
            _confirm(environment, name, yes=yes)
        value = SecretStr(_asked(name))
        decide(site.environment, site.release, site.node, {name: value})
    typer.echo(f"{name} of {environment} is saved; `rollout plan {environment}` shows its effect")


def keep(environment: str, name: str, place: str) -> None:
    """What `place` has is right: of `name`, or of every secret that has two values."""
    with server(environment):
        from tasks.core.secret_places import decide, look

        site = _site(environment)
        known = look(site.environment, site.release, site.node)
        places = {each.name: each for each in (known.saved, *known.others)}
        if place not in places:
            raise RolloutError(f"--keep: {place!r}; expected one of: {', '.join(places)}")
        undecided = known.undecided({})
        names = [name] if name else list(undecided)
        if missing := [each for each in names if each not in places[place].values]:
            raise RolloutError(f"--keep: {places[place].where} has no {', '.join(missing)}")
        values = {each: places[place].values[each] for each in names}
        decide(site.environment, site.release, site.node, values)
    done = ", ".join(names) or "nothing: every secret has one value"
    typer.echo(f"kept of {places[place].where}: {done}")


def _site(environment: str, *, prepared: bool = False) -> "Site":
    """The environment's site; `prepared`: something is written on its machine."""
    from tasks.core.site import without_secrets
    from tasks.platforms.sandbox.home import prepare_home

    site = without_secrets(environment)
    if prepared:
        prepare_home(site)
    return site


def _give_credential(environment: str, name: str) -> None:
    """Save what opens the place where the backup repository lies."""
    with server(environment):
        from pydantic import SecretStr

        from blocks.repository import new
        from tasks.points.repository_access import load, save

        site = _site(environment, prepared=True)
        block = load(site) or new()
        given = {**block.credentials, name: SecretStr(_asked(name))}
        save(site, block.model_copy(update={"credentials": given}))
    typer.echo(f"{name} is saved for the backup repository of {environment}")


def _confirm(environment: str, name: str, *, yes: bool) -> None:
    if yes:
        return
    what = f"{name} of {environment} is in use: what was encrypted or opened with it stays locked"
    if not sys.stdin.isatty():
        raise RolloutError(f"{what}; expected --yes where nobody can be asked")
    typer.confirm(f"{what} unless you change it there too. Replace it?", abort=True)


def _asked(name: str) -> str:
    if sys.stdin.isatty():
        value = str(typer.prompt(name, hide_input=True, confirmation_prompt=True))
    else:
        value = sys.stdin.read().removesuffix("\n")
    if not value or not value.isprintable():
        raise RolloutError(f"{name}: expected one line of printable characters")
    return value
