"""Where an environment's secrets come from.

A source its file names, else where they are saved, else what its stack on the machine has, else a
new one.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from pydantic import SecretStr

from blocks import sources
from clients.node import Node, NodeError
from config.environment import Environment
from config.errors import RolloutError, StepError
from config.release import Release
from config.rules.published_secrets import published
from config.secrets import CREDENTIALS, generate, required
from tasks.core import secret_places
from tasks.core.secret_places import BLOCK, Known
from tasks.core.site import Site

log = logging.getLogger("rollout")


def open_secrets(
    environment: Environment, release: Release, node: Node, *, save: bool
) -> dict[str, SecretStr]:
    """All secrets the environment needs.

    Secrets of a stack that was deployed through another Prefect server are
    adopted from its `.env`: generating new ones would lock Dify out of its data.
    With `save` false nothing is kept: a plan on a bare machine makes them up.

    Raises:
        StepError: two places have different values, one is a published default, or a secret that
            only the operator can give is missing.
        RolloutError: a source that the environment names does not give one.
    """
    given = given_secrets(environment)
    known = secret_places.look(environment, release, node)
    secret_places.require_same(environment, known, given)
    require_private(environment, release, {**known.values, **given})
    values = generate(release, {**known.values, **given})
    if missing := [name for name in required(environment, release) if name not in values]:
        raise StepError(
            "secrets",
            f"{', '.join(missing)} not given",
            advice=f"rollout secrets {environment.name} {missing[0]} --set",
        )
    own = {name: value for name, value in values.items() if name not in given}
    if save and _unsaved(known, own):
        secret_places.save(environment, node, known, {**own, **known.saved.values})
        log.info("secrets: %d saved, %d new", len(own), len(own.keys() - known.values.keys()))
    return values


def require_private(
    environment: Environment, release: Release, values: Mapping[str, SecretStr]
) -> None:
    """No secret of Dify is a published default. Logins of given servers are not asked about.

    Raises:
        StepError: one is a default of a published file.
    """
    if found := published(values, release.secrets):
        raise StepError(
            "secrets",
            f"{', '.join(found)} of {environment.name}: the default of a file that anybody can "
            "read; expected a value of its own",
            advice=f"rollout secrets {environment.name} {found[0]} --set" + _lost(found),
        )


def _lost(found: Sequence[str]) -> str:
    """What goes with the published ones, as the end of an advice."""
    if "secret_key" not in found:
        return ""
    return (
        "; what was signed or encrypted with the published secret_key has to be entered anew "
        "after that"
    )


def _unsaved(known: Known, own: Mapping[str, SecretStr]) -> bool:
    """Whether one of these is not where it should be; a file repeats nothing the stack has."""
    kept = known.saved.values if known.saved.name == BLOCK else known.values
    return bool(own.keys() - kept.keys())


def keep(site: Site, values: Mapping[str, SecretStr]) -> None:
    """These are the environment's from now on, whatever the stack has."""
    secret_places.decide(site.environment, site.release, site.node, values)


def given_secrets(environment: Environment) -> dict[str, SecretStr]:
    """Those the environment's file names a source of; they are kept nowhere else.

    Raises:
        RolloutError: a source does not give one.
    """
    return _given(environment, credentials=False)


def given_credentials(environment: Environment) -> dict[str, SecretStr]:
    """The same of what opens the place of the backup repository."""
    return _given(environment, credentials=True)


def _given(environment: Environment, *, credentials: bool) -> dict[str, SecretStr]:
    return {
        name: sources.read(f"secrets.sources.{name}", source)
        for name, source in environment.secrets.sources.items()
        if (name in CREDENTIALS) is credentials
    }


def known_secrets(environment: Environment, release: Release, node: Node) -> dict[str, SecretStr]:
    """Those that are known now, and none made up; what is away or broken knows none."""
    known = _reached(environment, release, node).values
    for name, source in environment.secrets.sources.items():
        known.pop(name, None)
        with suppress(RolloutError):
            known[name] = sources.read(name, source)
    return known


def found_secrets(environment: Environment, release: Release, node: Node) -> dict[str, SecretStr]:
    """All secrets the environment needs, for a look that changes nothing; unknown ones made up.

    Places that differ do not stop it: what it sees then says so.
    """
    known = secret_places.look(environment, release, node)
    return generate(release, {**known.values, **given_secrets(environment)})


def _reached(environment: Environment, release: Release, node: Node) -> Known:
    try:
        return secret_places.look(environment, release, node)
    except NodeError:
        return secret_places.saved_alone(environment)
