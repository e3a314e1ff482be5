"""The stack's `compose.yaml`: containers only, no secret inside."""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network
from textwrap import indent
from typing import Any

from ruamel.yaml import YAML

from config.desired import postgres_trust, storage_trust
from config.desired.colours import NONE, Colour, Colours, aliases, named, split
from config.desired.firewall import addresses
from config.desired.mounts import bound, literal
from config.desired.services import active, forwarded, processes
from config.desired.subnets import subnets
from config.environment import Environment
from config.release import REFERENCE, Health, Release, Service

HEADER = "# Written by dify-rollout from config/; values come from .env beside it.\n"


def render(
    environment: Environment, release: Release, files: Mapping[str, str], colours: Colours = NONE
) -> str:
    """The file's text; `files` are the rendered files services mount, by name."""
    names = [
        (name, colours.get(name, Colour.BLUE) if service.overlap else Colour.BLUE)
        for name, service in active(environment, release).items()
    ]
    return _rendered(environment, release, files, names)


def render_both(environment: Environment, release: Release, files: Mapping[str, str]) -> str:
    """The same with each service in every colour that it may have."""
    services = active(environment, release)
    names = [(n, c) for n, s in services.items() for c in (Colour if s.overlap else [Colour.BLUE])]
    return _rendered(environment, release, files, names)


def written_colours(text: str) -> dict[str, Colour]:
    """The colours that a file written by `render` names, but of what is blue."""
    found = (split(name) for name in _NAME.findall(text))
    return {name: colour for name, colour in found if colour != Colour.BLUE}


def _rendered(
    environment: Environment,
    release: Release,
    files: Mapping[str, str],
    names: Sequence[tuple[str, Colour]],
) -> str:
    fixed, ranges = addresses(environment, release), subnets(environment)
    services = active(environment, release)
    document = {
        "name": environment.dify.project,
        "services": {
            named(name, colour): _service(services[name], environment, release, files)
            | _networks(services[name], fixed.get(name), aliases(name, services[name], colour))
            for name, colour in names
        },
        "networks": {name: _network(name, ranges[name]) for name in ("default", *inside(services))},
    }
    return HEADER + _text(document)


def inside(services: Mapping[str, Service]) -> list[str]:
    """The networks without a way out that the services are in."""
    named = [network for service in services.values() for network in service.networks]
    return list(dict.fromkeys(network for network in named if network != "default"))


def _network(name: str, addresses: IPv4Network) -> dict[str, Any]:
    ipam = {"config": [{"subnet": str(addresses)}]}
    if name == "default":
        return {"ipam": ipam}
    return {"internal": True, "driver_opts": options(name), "ipam": ipam}


def options(network: str) -> dict[str, str]:
    """Of the network's driver. Code of users runs in all but `default`: no machine's address there.

    Without one nothing in it can be sent to the machine itself, nor by it to anywhere else.
    """
    return {} if network == "default" else {"com.docker.network.bridge.inhibit_ipv4": "true"}


_PLACE = "    environment: {}\n"
_NAME = re.compile(r"^  ([a-z0-9_-]+):$", re.MULTILINE)


def _text(document: dict[str, Any]) -> str:
    """Writing YAML is slow. Most of it are variables, which are the same in many environments."""
    services: dict[str, dict[str, Any]] = document["services"]
    blocks = [service["environment"] for service in services.values() if "environment" in service]
    place: dict[str, Any] = {"environment": {}}
    framed = {
        name: service | (place if "environment" in service else {})
        for name, service in services.items()
    }
    frame = {**document, "services": framed}
    first, *rest = _yaml(json.dumps(frame)).split(_PLACE)
    filled = (
        _PLACE.replace(" {}", "") + indent(_yaml(json.dumps(block)), " " * 6) + after
        for block, after in zip(blocks, rest, strict=True)
    )
    return first + "".join(filled)


@lru_cache(maxsize=64)
def _yaml(document: str) -> str:
    """The JSON document as YAML; kept, since a run asks several times."""
    yaml = YAML(typ="safe")  # written in C, four times as fast
    yaml.width = 1000
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]
    stream = io.StringIO()
    yaml.dump(json.loads(document), stream)  # pyright: ignore[reportUnknownMemberType]
    return stream.getvalue()


def _service(
    service: Service,
    environment: Environment,
    release: Release,
    files: Mapping[str, str],
) -> dict[str, Any]:
    variables, trusted, hosts = storage_trust.of_service(service, environment, files)
    of_postgres, certificate = postgres_trust.of_service(service, environment, files)
    described: dict[str, Any] = {
        "image": release.images[service.image],
        "pull_policy": "never",
        "restart": "unless-stopped",
        "init": True,
        **_confined(service, processes(environment, service)),
        "stop_grace_period": f"{service.stop_s}s",
        "environment": _with_proxies(environment_of(service, release)) | variables | of_postgres,
        "extra_hosts": hosts,
        "labels": _labels(environment, service, files),
        "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}},
    }
    if service.entrypoint:
        described["entrypoint"] = [literal(word) for word in service.entrypoint]
    if service.command:
        described["command"] = [literal(word) for word in service.command]
    described["ports"] = [
        f"{environment.dify.bind}:{port}:{inside}"
        for port, inside in forwarded(environment, release, service).items()
    ]
    if mounts := [*_mounts(service, environment, release), *trusted, *certificate]:
        described["volumes"] = mounts
    if service.health:
        described["healthcheck"] = _health(service.health)
    return {key: value for key, value in described.items() if value}


def _networks(service: Service, address: str | None, aliases: list[str]) -> dict[str, Any]:
    """With an address of its own where rules name it, and its names beside Compose's."""
    if address is None and not aliases:
        return {"networks": list(service.networks)}
    own = {"default": {"ipv4_address": address}} if address else {}
    also = {"aliases": aliases} if aliases else {}
    return {"networks": {name: own.get(name, {}) | also for name in service.networks}}


def _confined(service: Service, times: int) -> dict[str, Any]:
    """What bounds the container; memory is not extended by swap."""
    memory = f"{service.memory_mb * times}m"
    return {
        "user": service.user,
        "cap_drop": ["ALL"],
        "cap_add": service.capabilities,
        "security_opt": ["no-new-privileges:true"],
        "read_only": service.read_only,
        "tmpfs": [f"{path}:size={size},mode=1777" for path, size in service.tmpfs.items()],
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": service.pids * times,
    }


def environment_of(service: Service, release: Release) -> dict[str, str]:
    """The container's variables: references to keys of `.env`, or literals."""
    keys = [key for group in service.env for key in release.env[group]]
    return {key: f"${{{key}}}" for key in keys} | {
        key: value if REFERENCE.fullmatch(value) else literal(value)
        for key, value in service.environment.items()
    }


# Where the file says nothing, Docker's command gives a container those of its own configuration.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")


def _with_proxies(own: Mapping[str, str]) -> dict[str, str]:
    """With the variables of proxies, in both cases, since programs read one or the other: what the
    release sets, else nothing. No proxy is asked for the container itself.
    """
    here = {"NO_PROXY": "localhost,127.0.0.1"} if "HTTP_PROXY" in own else {}
    said = {**here, **own}
    return {**own, **{each: said.get(n, "") for n in _PROXIES for each in (n, n.lower())}}


def plain(text: str) -> str:
    """A literal of the file as the container gets it."""
    return text.replace("$$", "$")


def _labels(environment: Environment, service: Service, files: Mapping[str, str]) -> dict[str, str]:
    """Compose does not see into mounted files: their digest here recreates the container."""
    labels = {"dify-rollout.environment": environment.name}
    named = [*service.files, *_trusting(service, files)]
    if named:
        content = "\0".join(files[name] for name in named)
        labels["dify-rollout.files"] = hashlib.sha256(content.encode()).hexdigest()
    return labels


def _trusting(service: Service, files: Mapping[str, str]) -> list[str]:
    return [
        trust.NAME
        for trust in (storage_trust, postgres_trust)
        if trust.NAME in files and service.image in trust.IMAGES
    ]


def _mounts(service: Service, environment: Environment, release: Release) -> list[dict[str, Any]]:
    data, home = environment.dify.data, environment.dify.home
    states = [
        bound(data / release.state[name].path, path, read_only=False)
        for name, path in service.volumes.items()
    ]
    rendered = [
        bound(home / name, path, read_only=True)
        for name, path in (service.files | service.folders).items()
    ]
    return states + rendered


def _health(health: Health) -> dict[str, Any]:
    return {
        "test": ["CMD", *(literal(word) for word in health.command)],
        "interval": f"{health.interval_s}s",
        "timeout": f"{health.timeout_s}s",
        "retries": health.retries,
        "start_period": f"{health.start_s}s",
    }
