"""The share of the processors that new containers have: a small one until they are ready.

What starts takes all the processors it gets, and those who use what serves would wait for it.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress

from docker.errors import APIError, DockerException

from clients.command import CommandFailed
from clients.docker import NotRunning
from clients.docker_objects import Container
from config.errors import RolloutError
from tasks.core.site import Site
from tasks.steps.docker import compose_prefix
from tasks.tools import compose

LOW = 128  # of 1024, so that a start on a busy machine is slow and not endless
# cgroup v1 has 1024 for whoever has none; v2 has a weight of 100, which older engines make of 2598
# and newer ones of 1024.
FULL = (1024, 2598)
_WEIGHT = 100
_FILE = "/sys/fs/cgroup/cpu.weight"


def light(one: Container) -> bool:
    """Whether it has the share of one that starts; after a run that was killed it keeps it."""
    return one.shares == LOW


@contextmanager
def lightly(site: Site, names: Sequence[str]) -> Generator[None]:
    """These services of compose.yaml are made, and have the small share if they do not run yet.

    In the end no container of the stack has it. What Compose cannot make it says when it starts it.
    """
    try:
        if names:
            _make(site, names)
        yield
    except BaseException:
        with suppress(DockerException, RolloutError):  # why it failed is told, not this
            _end(site)
        raise
    _end(site)


def _end(site: Site) -> None:
    for one in _all(site):
        if light(one):
            _full(site, one)


def _make(site: Site, names: Sequence[str]) -> None:
    command = compose.create(
        compose_prefix(site.node),
        site.environment.dify.home,
        names,
        within_s=site.environment.dify.start_within_s,
    )
    with suppress(CommandFailed):
        site.node.attempt(command)
    for one in _all(site):
        if one.defined in names and not one.ready:
            with suppress(APIError):  # it starts with its full share then
                site.docker.weigh(one.id, LOW)


def _full(site: Site, one: Container) -> None:
    for shares in FULL:
        site.docker.weigh(one.id, shares)
        if enough(_weight(site, one)):
            return


def enough(weight: str) -> bool:
    """Whether that is as much as containers have that were given none; empty: it is not v2."""
    return not weight.strip().isdigit() or int(weight) >= _WEIGHT


def _weight(site: Site, one: Container) -> str:
    with suppress(NotRunning):
        status, said = site.docker.execute(one.id, ["cat", _FILE])
        return said if status == 0 else ""
    return ""


def _all(site: Site) -> list[Container]:
    return site.docker.containers(site.environment.dify.project)
