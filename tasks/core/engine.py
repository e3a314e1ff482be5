"""A node's Docker Engine: whether it can be asked, and containers that do one thing."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from docker.errors import DockerException

from clients.docker_engine import OWN, DockerUnusable, chosen_place
from clients.node import Node
from config.errors import RolloutError
from tasks.core.site import Site

PIDFILE = Path("/var/run/docker.pid")


def usable(site: Site) -> bool:
    """True where it answers, False where none is installed.

    Raises:
        DockerUnusable: one is installed and does not answer: what it has is not known.
    """
    trouble = site.docker.trouble()
    if trouble is None:
        return True
    if site.node.which("dockerd") is None:
        return False
    raise DockerUnusable(trouble)


def startable(site: Site) -> str | None:
    """Why it does not answer, None if it does.

    Raises:
        DockerUnusable: its process runs and does not answer, or another one than the machine's
            own was chosen: starting it is no help.
    """
    trouble = site.docker.trouble()
    if trouble is not None and (_runs(site.node) or is_another(site.node)):
        raise DockerUnusable(trouble)
    return trouble


def is_another(node: Node) -> bool:
    """Whether DOCKER_HOST or docker's context names another engine than the one of the socket."""
    return node.docker_url() is None and chosen_place() != OWN


def _runs(node: Node) -> bool:
    pid = (node.read(PIDFILE) or b"").decode().strip()
    return node.read(Path("/proc", pid or "0", "comm")) == b"dockerd\n"


@contextmanager
def one_shot(site: Site, container: str) -> Generator[None]:
    """No container of that name is left, however the command that runs one in it ends.

    A command that is killed at its limit, or by a cancel, does not take its container along.
    """
    site.docker.remove(container)
    try:
        yield
    finally:
        with suppress(RolloutError, DockerException):
            site.docker.remove(container)
