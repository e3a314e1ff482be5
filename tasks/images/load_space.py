"""Room for what a load unpacks, where the engine keeps its images."""

from collections.abc import Iterable
from pathlib import Path

from clients.docker import Docker
from config.errors import StepError
from tasks.tools import space
from tasks.tools.bundle import Contents, layer_part

# `docker load` unpacks the whole archive beside what it makes of it.
PER_LOADED_BYTE = 2
CONTAINERD = Path("/var/lib/containerd")
DOCKER = Path("/var/lib/docker")


def needed(contents: Contents, layers: Iterable[str]) -> int:
    """Bytes that a load of these layers takes while it goes on."""
    raw = {part.name: part.raw for part in contents.parts}
    return PER_LOADED_BYTE * sum(raw[layer_part(layer)] for layer in set(layers))


def require(docker: Docker, node: str, size: int) -> None:
    """The engine's disk takes so many bytes more.

    Raises:
        StepError: it does not.
    """
    _, rooms = space.parse(docker.node.run(space.ask(_places(docker))))
    least = min(rooms, key=lambda room: room.free)
    if size > least.free:
        raise StepError(
            "images",
            f"loading on {node} needs {size} bytes, {least.at} has {least.free} free",
            tried="nothing was loaded",
            advice="free some: rollout images prune ENV",
        )


def _places(docker: Docker) -> list[Path]:
    """Where the engine keeps images; containerd of the distribution keeps them apart."""
    root = Path(docker.info()["DockerRootDir"])
    return [root, CONTAINERD] if root == DOCKER and not docker.shares_layers() else [root]
