"""`rollout secrets`: look at an environment's secrets, or give one."""

import sys

import typer

from cli.runs import server
from config.errors import RolloutError
from config.load import load_environment, load_release
from config.secrets import CREDENTIALS, required


def show(environment: str, name: str) -> list[str]:
    """The value of `name`, or the names of all that are saved."""
    with server(environment):
        from blocks.secrets import load
        from tasks.core.secrets import given_secrets

        values = {**load(environment), **given_secrets(load_environment(environment))}
    if not name:
        return sorted(values)
    if name not in values:
        known = ", ".join(sorted(values)) or "none saved yet; deploy first"
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

        from blocks.secrets import load, save

        values = load(environment)
        if name in values:
            _confirm(environment, name, yes=yes)
        save(environment, {**values, name: SecretStr(_asked(name))})
    typer.echo(f"{name} of {environment} is saved; `rollout plan {environment}` shows its effect")


def _give_credential(environment: str, name: str) -> None:
    """Save what opens the place where the backup repository lies."""
    with server(environment):
        from pydantic import SecretStr

        from blocks.repository import load, new, save

        block = load(environment) or new()
        given = {**block.credentials, name: SecretStr(_asked(name))}
        save(environment, block.model_copy(update={"credentials": given}))
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
