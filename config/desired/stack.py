"""Every file of the stack: `.env`, `compose.yaml` and what the services mount."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from config.desired import compose, env_file, storage_trust
from config.desired.locations import location
from config.desired.services import active, routes
from config.desired.templates import render
from config.environment import Environment
from config.release import Release


@dataclass(frozen=True, slots=True)
class StackFile:
    """A file below `dify.home`."""

    name: str
    content: str = field(repr=False)
    mode: int


def stack_files(
    environment: Environment,
    release: Release,
    secrets: Mapping[str, SecretStr],
    storage_authority: str = "",
) -> list[StackFile]:
    """`.env` first: it is the only one that holds secrets."""
    mounted = mounted_files(environment, release, storage_authority)
    settings = env_file.settings(environment, release, secrets)
    return [
        StackFile(".env", env_file.render(settings), 0o600),
        StackFile("compose.yaml", compose.render(environment, release, mounted), 0o600),
        *(StackFile(name, content, 0o644) for name, content in mounted.items()),
    ]


def mounted_files(
    environment: Environment, release: Release, storage_authority: str = ""
) -> dict[str, str]:
    """Name → content of what active services mount; each is a template of the same name, beside
    the certificate (PEM) that signs for the object store, where it needs one.
    """
    running = active(environment, release)
    names = {name for service in running.values() for name in service.files}
    locations = [
        location(route, f"{route.service}:{running[route.service].port}", "$public_scheme")
        for route in routes(environment, release)
    ]
    rendered = {
        name: render(f"{name}.j2", environment=environment, locations=locations)
        for name in sorted(names)
    }
    return rendered | ({storage_trust.NAME: storage_authority} if storage_authority else {})
