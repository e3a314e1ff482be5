"""What a source tree has otherwise than the nearest release."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from config.release import Release
from config.release_draft.source import Described, Source
from config.rules.revisions import number
from config.rules.sources import split

VENDOR = "langgenius/"
SECRET = re.compile(r"(SECRET|TOKEN|PASSWORD|_KEY)$")


@dataclass(frozen=True, slots=True)
class Differences:
    """`images`: role → new reference, `roles`: service that is new → role of its image.

    `added`: service → key → default, of services both have. `secrets`: variables that look like a
    password and are nowhere in the release. `holders`: key of a service that is new → the variable
    its password is in here.
    """

    images: dict[str, str]
    roles: dict[str, str]
    services: dict[str, Described]
    removed: tuple[str, ...]
    added: dict[str, dict[str, str]]
    secrets: tuple[str, ...]
    holders: dict[str, str]
    unknown: tuple[str, ...]
    routes: dict[str, str]
    lost_routes: tuple[str, ...]
    queues: tuple[str, ...]
    head: str


def nearest(version: str, names: Sequence[str]) -> str:
    """Of the release before it and the one after it, which is fewer versions away.

    `names` are oldest first.
    """
    wanted = number(version)
    older = [name for name in names if number(name) <= wanted]
    beside = [*older[-1:], *names[len(older) :][:1]]
    return min(beside, key=lambda name: _distance(number(name), wanted))


def _distance(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [abs(a - b) for a, b in zip(one, other, strict=False)]


def differences(source: Source, release: Release) -> Differences:
    """Only Dify's own services count, and those of an image the release has: not its databases.

    Dify's own that are new have the version of its API. One that has another name here is no news.
    """
    roles = {split(image)[1]: role for role, image in release.images.items()}
    api = source.services.get("api", Described(""))
    ours = {
        name: service
        for name, service in source.services.items()
        if split(service.image)[1] in roles or _of_the_vendor(service, split(api.image)[2])
    }
    names = _other_names(ours, release, roles)
    ours = {names.get(name, name): service for name, service in ours.items()}
    new = {name: found for name, found in ours.items() if name not in release.services}
    added = _added(ours, release)
    held = {key for group in release.env.values() for key in group}
    holders = _holders(source, held)
    return Differences(
        images=_images(ours, release, roles),
        roles={name: roles.get(split(found.image)[1], name) for name, found in new.items()},
        services=new,
        removed=tuple(name for name in release.services if name not in ours),
        added=added,
        secrets=tuple(
            sorted(
                {holders[key] for key in _passwords(added, new) if holders[key] not in held}
                - {name.upper() for name in release.secrets}
            )
        ),
        holders=holders,
        unknown=_unknown(source, release),
        routes={
            path: service
            for path, service in source.routes.items()
            if path.rstrip("/") not in _paths(release)
        },
        lost_routes=tuple(
            path for path in sorted(_paths(release)) if path not in _plain(source.routes)
        ),
        queues=source.queues,
        head=source.head,
    )


def _other_names(
    ours: Mapping[str, Described], release: Release, roles: Mapping[str, str]
) -> dict[str, str]:
    """Name there → name here, of an image that one service has on both sides."""
    there = {
        role: [name for name, service in ours.items() if roles.get(split(service.image)[1]) == role]
        for role in release.images
    }
    here = {
        role: [name for name, service in release.services.items() if service.image == role]
        for role in release.images
    }
    return {
        there[role][0]: here[role][0]
        for role in release.images
        if len(there[role]) == len(here[role]) == 1
    }


def _of_the_vendor(service: Described, version: str) -> bool:
    _, path, tag = split(service.image)
    return path.startswith(VENDOR) and tag == version


def _images(ours: dict[str, Described], release: Release, roles: dict[str, str]) -> dict[str, str]:
    """What is of others, like nginx, keeps the version this project names."""
    found: dict[str, str] = {}
    for name, service in ours.items():
        path = split(service.image)[1]
        if path.startswith(VENDOR):
            found[roles.get(path, name)] = service.image
    return {role: image for role, image in found.items() if release.images.get(role) != image}


def _added(ours: dict[str, Described], release: Release) -> dict[str, dict[str, str]]:
    """Keys a service of Dify's is given there and not here; of others, the files are our own."""
    found: dict[str, dict[str, str]] = {}
    for name, service in release.services.items():
        if not release.images[service.image].startswith(VENDOR):
            continue
        there = ours[name].environment if name in ours else {}
        have = {key for group in service.env for key in release.env[group]} | set(
            service.environment
        )
        if new := {key: value for key, value in there.items() if key not in have}:
            found[name] = new
    return found


def _passwords(
    added: Mapping[str, Mapping[str, str]], new: Mapping[str, Described]
) -> Iterator[str]:
    """Of services that are new each, of others what has a default."""
    yield from (key for service in new.values() for key in service.environment if _secret(key))
    yield from (
        key for keys in added.values() for key, value in keys.items() if value and _secret(key)
    )


def _secret(key: str) -> bool:
    return SECRET.search(key) is not None


def _holders(source: Source, held: Set[str]) -> dict[str, str]:
    """Each key that is like a password → the variable for its value.

    That is one held already, else the one it comes from there: two keys of one origin are one
    password.
    """
    keys = {
        key: service.origins.get(key, key)
        for service in source.services.values()
        for key in service.environment
    }
    known = {origin: key for key, origin in keys.items() if key in held}
    known |= {origin: origin for origin in keys.values() if origin in held}
    return {key: known.get(origin, origin) for key, origin in keys.items() if _secret(key)}


def _unknown(source: Source, release: Release) -> tuple[str, ...]:
    """Keys handed to containers here that nothing there names: renamed, removed or in code."""
    groups = {group for service in release.services.values() for group in service.env}
    keys = {key for group in groups for key in release.env[group]}
    return tuple(sorted(keys - source.known)) if source.known else ()


def _paths(release: Release) -> set[str]:
    return {route.path.rstrip("/") for route in release.routes}


def _plain(routes: dict[str, str]) -> set[str]:
    return {path.rstrip("/") for path in routes}
