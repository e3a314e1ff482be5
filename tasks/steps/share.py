"""The part of busy processors that new containers have until they have started."""

from collections.abc import Collection, Generator
from contextlib import contextmanager

from clients.docker_objects import ASIDE, WHOLE, Container
from tasks.core.site import Site
from tasks.steps.containers import containers
from tasks.steps.docker import compose_prefix
from tasks.tools import compose


def held_back(one: Container) -> bool:
    """Whether it still has the part of one that starts."""
    return one.shares == ASIDE


@contextmanager
def gently(site: Site, beside: Collection[str]) -> Generator[None]:
    """Services, by their names in compose.yaml, start with a quarter of the weight of the others.

    Loading an application takes a processor's whole time, while people wait for the answers of the
    old container. At the end every container of the stack has its whole weight, also one that an
    earlier, killed run has started.
    """
    if beside:
        # Where it fails, the start that follows makes them and says why.
        site.node.attempt(
            compose.create(compose_prefix(site.node), site.environment.dify.home, sorted(beside))
        )
        for one in containers(site):
            if one.defined in beside and one.state != "running":
                site.docker.share(one.id, ASIDE)
    try:
        yield
    finally:
        for one in filter(held_back, containers(site)):
            site.docker.share(one.id, WHOLE)
