"""Every file of the stack: `.env`, `compose.yaml` and what the services mount."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import SecretStr

from config.desired import compose, env_file
from config.desired.colours import NONE, Colour, Colours, other, own_name
from config.desired.locations import Location, location
from config.desired.services import active, direct, routes
from config.desired.templates import render
from config.environment import Environment
from config.release import Release, Route, Service

ROUTES = "nginx/nginx.conf"
_DIGITS = 16
_PLACE = "DIGEST"
_DIGEST = re.compile(rf'return 200 "([0-9a-f]{{{_DIGITS}}})"')
_UPSTREAM = re.compile(r"set \$upstream (\w+)-(blue|green):")


@dataclass(frozen=True, slots=True)
class StackFile:
    """A file below `dify.home`."""

    name: str
    content: str = field(repr=False)
    mode: int


@dataclass(frozen=True, slots=True)
class Asset:
    """Files that the service of now has, and else the one `before` it, while that is kept."""

    location: Location
    name: str
    before: str


@dataclass(frozen=True, slots=True)
class Direct:
    """A port that leads to one service alone, with what its pages of before ask for."""

    port: int
    upstream: str
    assets: tuple[Asset, ...]


def stack_files(
    environment: Environment,
    release: Release,
    secrets: Mapping[str, SecretStr],
    authorities: Mapping[str, str] = MappingProxyType({}),
    colours: Colours = NONE,
) -> list[StackFile]:
    """`.env` first: it is the only one that holds secrets. The routes are not among them: they
    follow the containers.
    """
    mounted = mounted_files(environment, release, authorities)
    settings = env_file.settings(environment, release, secrets)
    return [
        StackFile(".env", env_file.render(settings), 0o600),
        StackFile("compose.yaml", compose.render(environment, release, mounted, colours), 0o600),
        *(StackFile(name, content, 0o644) for name, content in mounted.items()),
    ]


def mounted_files(
    environment: Environment,
    release: Release,
    authorities: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Name → content of what active services mount; each is a template of the same name, beside
    the certificates (PEM) of the authorities they have to trust.
    """
    running = active(environment, release)
    names = {name for service in running.values() for name in service.files}
    rendered = {name: render(f"{name}.j2", environment=environment) for name in sorted(names)}
    return rendered | dict(authorities)


def routes_file(environment: Environment, release: Release, colours: Colours = NONE) -> str:
    """The configuration of the stack's nginx, which answers with its digest what it has read."""
    running = active(environment, release)
    locations = [
        location(route, _upstream(route.service, running[route.service], colours), "$public_scheme")
        for route in routes(environment, release)
    ]
    assets = tuple(_assets(environment, release, colours))
    directs = [
        Direct(port, _upstream(name, running[name], colours), _of(name, assets))
        for name, port in direct(environment, release).items()
    ]
    text = render(
        "nginx.conf.j2",
        environment=environment,
        locations=locations,
        assets=assets,
        directs=directs,
        digest=_PLACE,
    )
    return text.replace(_PLACE, hashlib.sha256(text.encode()).hexdigest()[:_DIGITS])


def _of(name: str, assets: Iterable[Asset]) -> tuple[Asset, ...]:
    return tuple(asset for asset in assets if asset.name == name)


def _assets(environment: Environment, release: Release, colours: Colours) -> Iterator[Asset]:
    """Of the services that stay in their other colour for pages of before."""
    for name, service in active(environment, release).items():
        if service.assets and service.overlap:
            route = Route(path=service.assets, service=name)
            colour = colours.get(name, Colour.BLUE)
            before = f"{own_name(name, other(colour))}:{service.port}"
            now = location(route, _upstream(name, service, colours), "$public_scheme")
            yield Asset(now, name, before)


def routes_digest(text: str) -> str:
    """The digest in such a file."""
    found = _DIGEST.search(text)
    return found[1] if found else ""


def routed_colours(text: str) -> dict[str, Colour]:
    """Service → the colour that such a file leads to."""
    return {name: Colour(colour) for name, colour in _UPSTREAM.findall(text)}


def _upstream(name: str, service: Service, colours: Colours) -> str:
    """Of a service in two colours the one that is meant."""
    host = own_name(name, colours.get(name, Colour.BLUE)) if service.overlap else name
    return f"{host}:{service.port}"
