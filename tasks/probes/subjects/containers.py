"""The stack's containers on every node, seen from outside and asked from inside."""

from collections.abc import Iterator
from dataclasses import dataclass

from clients.docker_objects import Container, Running
from config.desired.colours import other
from config.desired.services import active
from tasks.core.site import Site
from tasks.steps.containers import containers

Found = list[tuple[Site, Container]]


@dataclass(frozen=True, slots=True)
class Unwell:
    """A service that does not run as it should on a node; `container` is None if it is missing."""

    service: str
    node: Site
    container: Container | None


def on_every_node(site: Site) -> Found:
    """The containers of the stack, each with its node; none that was started for one task, or that
    was replaced and is kept for its files.
    """
    return [
        (each, found) for each in site.on_each() for found in containers(each) if not found.kept
    ]


def unwell(site: Site, found: Found) -> Iterator[Unwell]:
    """Of every node what should run there and does not, or is not healthy."""
    for each in site.on_each():
        here = [one for node, one in found if node.node.name == each.node.name]
        present = {one.service for one in here}
        ready = {(one.service, one.colour) for one in here if one.ready}
        wanted = active(each.environment, each.release)
        yield from (Unwell(name, each, None) for name in wanted if name not in present)
        # One that was replaced answers nobody new while it ends what it had begun.
        yield from (
            Unwell(one.service, each, one)
            for one in here
            if not one.ready and (one.service, other(one.colour)) not in ready
        )


def beats(site: Site) -> list[str]:
    """Names of the services that run Celery's beat; old releases have none."""
    running = active(site.environment, site.release).items()
    return [name for name, service in running if service.environment.get("MODE") == "beat"]


def running_beats(site: Site) -> list[tuple[Site, Running]]:
    """Every container that runs Celery's beat, however it was started, each with its node.

    Beat has no lock: two run all that is scheduled twice.
    """
    project, names = site.environment.dify.project, beats(site)
    return [
        (each, one)
        for each in site.on_each()
        for one in each.docker.running(project, one_off=True)
        if one.service in names
    ]
