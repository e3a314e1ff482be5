"""Where an environment's secrets come from: saved, else found on the machine, else generated."""

import logging
from collections.abc import Mapping

from pydantic import SecretStr

from blocks import secrets as saved
from blocks.node import Node, NodeError
from config.desired import env_file
from config.environment import Environment
from config.errors import StepError
from config.release import Release
from config.secrets import generate, required

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
    """
    have = saved.load(environment.name)
    known = {**_on_machine(environment, release, node), **have}
    values = generate(release, known)
    if missing := [name for name in required(environment, release) if name not in values]:
        raise StepError(
            "secrets",
            f"{', '.join(missing)} not given",
            advice=f"rollout secrets {environment.name} {missing[0]} --set",
        )
    if save and values != have:
        saved.save(environment.name, values)
        log.info("secrets: %d saved, %d new", len(values), len(values) - len(known))
    return values


def known_secrets(environment: Environment, release: Release, node: Node) -> dict[str, SecretStr]:
    """Those that are known now, and none made up; a node that is away knows none."""
    try:
        there = _on_machine(environment, release, node)
    except NodeError:
        there = {}
    return {**there, **saved.load(environment.name)}


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
