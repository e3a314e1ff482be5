"""What an engine says of its images and containers."""

from dataclasses import dataclass
from typing import Any, cast

from config.desired.colours import Colour, named, split

ONE_OFF = "com.docker.compose.oneoff"
PROJECT = "com.docker.compose.project"
# Weights where processors are busy: the engine's own, and that of what nobody waits for yet.
WHOLE, ASIDE = 1024, 256
KEPT = "-kept"  # the end of the name of an old container that only its files are asked for


def own_addresses(seen: dict[str, Any]) -> list[str]:
    """Those of a container that runs, one on each of its networks."""
    networks = cast(dict[str, Any], seen["NetworkSettings"]["Networks"])
    return [str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")]


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range of addresses of a network; `project` is Compose's, empty where it made none.

    `gateway`: the machine's own address in it, if it has one.
    """

    network: str
    project: str
    addresses: str
    gateway: str = ""

    @classmethod
    def all_of(cls, seen: dict[str, Any]) -> "list[Subnet]":
        """From what the engine says of a network, which may have one of each version, or none."""
        labels = cast(dict[str, str], seen["Labels"] or {})
        name, project = str(seen["Name"]), labels.get(PROJECT, "")
        return [
            cls(name, project, str(each["Subnet"]), str(each.get("Gateway") or ""))
            for each in seen["IPAM"]["Config"] or ()
            if each.get("Subnet")
        ]


@dataclass(frozen=True, slots=True)
class Network:
    """How a network was made: the options of its driver, its range of addresses."""

    options: dict[str, str]
    subnet: str

    @classmethod
    def of(cls, seen: dict[str, Any]) -> "Network":
        ranges = [str(part["Subnet"]) for part in seen["IPAM"]["Config"] or () if "Subnet" in part]
        return cls(dict(seen["Options"] or {}), ", ".join(ranges))


@dataclass(frozen=True, slots=True)
class Image:
    """An image the engine has."""

    id: str
    labels: dict[str, str]
    layers: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    size: int = 0

    @classmethod
    def of(cls, seen: dict[str, Any]) -> "Image":
        """From what the engine says of it; `repositories` are those its digests are of."""
        config = cast(dict[str, Any], seen.get("Config") or {})
        return cls(
            id=str(seen["Id"]),
            labels=dict(config.get("Labels") or {}),
            layers=tuple(seen["RootFS"].get("Layers") or ()),
            digests=tuple(name.partition("@")[2] for name in seen.get("RepoDigests") or ()),
            tags=tuple(seen.get("RepoTags") or ()),
            repositories=tuple(name.partition("@")[0] for name in seen.get("RepoDigests") or ()),
            size=int(seen["Size"]),
        )


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a compose project. `health` is empty where no check is defined.

    `service` is the same in both `colour`s; `created` as the engine writes it, which sorts by time.

    `restarts` are those by the engine since it was made, `oom` that its last end was for memory.
    `folder`: the project's, as Compose was started; empty where Compose did not make it.
    `networks`: the engine's names of those it is in, `addresses` its own in them while it runs.
    `shares`: its weight where processors are busy; 0 is the engine's own.
    """

    id: str
    name: str
    service: str
    image: str
    config_hash: str
    state: str
    health: str
    one_off: bool
    restarts: int = 0
    oom: bool = False
    status: int = 0
    folder: str = ""
    colour: Colour = Colour.BLUE
    created: str = ""
    networks: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    shares: int = 0

    @classmethod
    def of(cls, seen: dict[str, Any]) -> "Container":
        """From what the engine says when it is asked for the container alone."""
        labels = cast(dict[str, str], seen["Config"]["Labels"])
        service, colour = split(labels.get("com.docker.compose.service", ""))
        return cls(
            id=str(seen["Id"]),
            name=str(seen["Name"]).lstrip("/"),
            service=service,
            image=str(seen["Image"]),
            config_hash=labels.get("com.docker.compose.config-hash", ""),
            state=str(seen["State"]["Status"]),
            health=str(seen["State"].get("Health", {}).get("Status", "")),
            one_off=labels.get(ONE_OFF) == "True",
            restarts=int(seen.get("RestartCount", 0)),
            oom=bool(seen["State"].get("OOMKilled")),
            status=int(seen["State"].get("ExitCode", 0)),
            folder=labels.get(f"{PROJECT}.working_dir", ""),
            colour=colour,
            created=str(seen.get("Created", "")),
            networks=frozenset(seen["NetworkSettings"]["Networks"]),
            addresses=frozenset(own_addresses(seen)),
            shares=int(seen["HostConfig"].get("CpuShares") or 0),
        )

    @property
    def defined(self) -> str:
        """What compose.yaml calls it."""
        return named(self.service, self.colour)

    @property
    def kept(self) -> bool:
        """Whether it was replaced, and stays for the files that old pages ask it for."""
        return self.name.endswith(KEPT)

    @property
    def began(self) -> bool:
        """Whether it ever ran, and so may have said something."""
        return self.state != "created"

    @property
    def ready(self) -> bool:
        return self.state == "running" and self.health in ("", "healthy")


@dataclass(frozen=True, slots=True)
class Running:
    """What a list of containers says of one."""

    id: str
    name: str
    service: str

    @classmethod
    def of(cls, listed: dict[str, Any]) -> "Running":
        """From the engine's list."""
        service, _ = split(str(listed["Labels"].get("com.docker.compose.service", "")))
        return cls(str(listed["Id"]), str(listed["Names"][0]).lstrip("/"), service)
