"""What the files of a Dify source tree, or of its `docker` folder, say of a release."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any, cast

from ruamel.yaml import YAML

from config.desired.env_file import parse

COMPOSE, NGINX = "docker-compose.yaml", "nginx/conf.d/default.conf.template"
READ = (COMPOSE, NGINX, "*.env.example", "api/migrations/versions/*.py", "api/docker/entrypoint.sh")

_LOCATION = re.compile(r"location\s+(?:[=~^]+\s+)?(?P<path>/\S*)\s*\{(?P<body>[^}]*)\}")
_PEER = re.compile(r"http://(?P<service>[a-z_]+):(?P<port>\d+)")
_REVISION = re.compile(r"^revision\s*(?::\s*str)?\s*=\s*['\"](\w+)['\"]", re.MULTILINE)
_DOWN = re.compile(r"^down_revision\s*(?::[^=]*)?=\s*(.*)$", re.MULTILINE)
_ID = re.compile(r"['\"](\w+)['\"]")
_QUEUES = re.compile(r"QUEUES=\"([a-z_,]+)\"")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_]+)")
_REFERENCE = re.compile(r"\$\{[A-Za-z0-9_]+(?::?-(?P<default>[^${}]*))?\}")


@dataclass(frozen=True, slots=True)
class Described:
    """One service of the compose file; the values of its variables are the defaults there.

    `origins`: key → the variable its value comes from, the last one asked. `port`: the one others
    call it at, 0 without.
    """

    image: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    port: int = 0
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """`known`: every key an example names or a service is given. `head`: "" unless there is one."""

    services: dict[str, Described]
    known: frozenset[str]
    routes: dict[str, str]
    queues: tuple[str, ...]
    head: str


def wanted(path: str) -> bool:
    """Whether the file, by its path in the tree, is read."""
    return any(fnmatch(path, f"*{pattern}") for pattern in READ)


def read(files: Mapping[str, str]) -> Source:
    """`files`: path → text. Raises KeyError where there is no compose file."""
    compose = next(text for path, text in sorted(files.items()) if path.endswith(COMPOSE))
    document = _document(compose)
    shared = _shared(document)
    bodies: dict[str, Any] = document["services"]
    ports = {peer["service"]: int(peer["port"]) for peer in _PEER.finditer(default(compose))}
    services = {name: _described(body, shared, ports.get(name, 0)) for name, body in bodies.items()}
    examples = [text for path, text in files.items() if path.endswith(".env.example")]
    given = {key for service in services.values() for key in service.environment}
    named = {key for text in examples for key in parse(text)}
    versions = [text for path, text in files.items() if "migrations/versions/" in path]
    entry = "".join(text for path, text in files.items() if path.endswith("entrypoint.sh"))
    return Source(
        services,
        frozenset(given | named | shared.keys() | set(re.findall(r"\$\{([A-Z0-9_]+)", compose))),
        _routes("".join(text for path, text in files.items() if path.endswith(NGINX))),
        tuple(sorted({queue for found in _QUEUES.findall(entry) for queue in found.split(",")})),
        _head(versions),
    )


def _document(compose: str) -> dict[str, dict[str, Any]]:
    document: Any = YAML(typ="safe").load(compose)  # pyright: ignore[reportUnknownMemberType]
    return cast(dict[str, dict[str, Any]], document)


def _shared(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an extension of the file gives to many services: before 1.14, each key there is."""
    found: dict[str, Any] = {}
    for name, body in document.items():
        if name.startswith("x-") and isinstance(body, Mapping):
            found |= cast(Mapping[str, Any], body)
    return found


def _described(body: Mapping[str, Any], shared: Mapping[str, Any], port: int) -> Described:
    """`environment` is the service's own: what is shared is an example's, as in an env file."""
    given = dict(_pairs(body.get("environment") or {}))
    health: dict[str, Any] = body.get("healthcheck") or {}
    test: list[Any] = health.get("test") or []
    networks: Any = body.get("networks") or ()
    return Described(
        image=str(body.get("image", "")),
        environment={
            str(key): default(str(value))
            for key, value in given.items()
            if key not in shared or shared[key] != value
        },
        origins={
            str(key): variables[-1]
            for key, value in given.items()
            if (variables := _VARIABLE.findall(str(value)))
        },
        port=port,
        volumes=tuple(str(volume).split(":")[1] for volume in body.get("volumes") or ()),
        networks=tuple(map(str, networks)),
        health=tuple(map(str, test[1:])) if test and test[0] == "CMD" else (),
    )


def _pairs(given: Any) -> Iterable[tuple[Any, Any]]:
    """Compose takes a mapping, or a list of `KEY=value`."""
    if isinstance(given, Mapping):
        return cast(Mapping[Any, Any], given).items()
    lines = (str(line).partition("=") for line in given)
    return ((key, value) for key, _, value in lines)


def default(text: str) -> str:
    """What Compose makes of it where `.env` is empty; a reference may hold another one."""
    while (plain := _REFERENCE.sub(lambda found: found["default"] or "", text)) != text:
        text = plain
    return text


def _routes(template: str) -> dict[str, str]:
    """Path → service, "" where a variable names it."""
    found = {
        location["path"]: peer["service"] if (peer := _PEER.search(location["body"])) else ""
        for location in _LOCATION.finditer(template)
    }
    return dict(sorted(found.items()))


def _head(versions: Iterable[str]) -> str:
    made = [revision[1] for text in versions if (revision := _REVISION.search(text))]
    below = {
        each for text in versions for line in _DOWN.findall(text) for each in _ID.findall(line)
    }
    heads = [revision for revision in made if revision not in below]
    return heads[0] if len(heads) == 1 else ""
