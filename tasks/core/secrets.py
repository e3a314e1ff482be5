"""Where an environment's secrets come from.

A source its file names, else its block, else what its stack on the machine has, else a new one.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress

from pydantic import SecretStr

from blocks import secrets as saved
from blocks import sources
from clients.node import Node, NodeError
from config.desired import env_file
from config.environment import Environment
from config.errors import RolloutError, StepError
from config.release import Release
from config.secrets import CREDENTIALS, generate, required

log = logging.getLogger("rollout")


def open_secrets(
    environment: Environment, release: Release, node: Node, *, save: bool
) -> dict[str, SecretStr]:
    """All secrets the environment needs.

    Secrets of a stack that was deployed through another Prefect server are
    adopted from its `.env`: generating new ones would lock Dify out of its data.
    With `save` false nothing is kept: a plan on a bare machine makes them up.

    Raises:
        StepError: a secret that only the operator can give is missing.
        RolloutError: a source that the environment names does not give one.
    """
    given = given_secrets(environment)
    have = saved.load(environment.name)
    known = {**_on_machine(environment, release, node), **have, **given}
    values = generate(release, known)
    if missing := [name for name in required(environment, release) if name not in values]:
        raise StepError(
            "secrets",
            f"{', '.join(missing)} not given",
            advice=f"rollout secrets {environment.name} {missing[0]} --set",
        )
    own = {**{name: values[name] for name in values if name not in given}, **have}
    if save and own != have:
        saved.save(environment.name, own)
        log.info("secrets: %d saved, %d new", len(own), len(values) - len(known))
    return values


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
    there: dict[str, SecretStr] = {}
    with suppress(NodeError):
        there = _on_machine(environment, release, node)
    there |= saved.load(environment.name)
    for name, source in environment.secrets.sources.items():
        there.pop(name, None)
        with suppress(RolloutError):
            there[name] = sources.read(name, source)
    return there


def found_secrets(environment: Environment, release: Release, node: Node) -> dict[str, SecretStr]:
    """All secrets the environment needs, as far as its stack has them; the rest is made up."""
    return generate(release, _on_machine(environment, release, node))


def _on_machine(environment: Environment, release: Release, node: Node) -> dict[str, SecretStr]:
    text = node.read(environment.dify.home / ".env")
    return adopt(release, env_file.parse(text.decode())) if text else {}


def adopt(release: Release, settings: Mapping[str, str]) -> dict[str, SecretStr]:
    """Secrets that stand alone as the value of a key of `.env`."""
    found: dict[str, SecretStr] = {}
    for group in release.env.values():
        for key, template in group.items():
            name = template.removeprefix("{{ secret.").removesuffix(" }}")
            if template == "{{ secret." + name + " }}" and settings.get(key):
                found.setdefault(name, SecretStr(settings[key]))
    return found
