"""The stack's own nginx, which leads to the services of a node."""

from collections.abc import Iterable

from clients.docker_objects import Container
from tasks.core.site import Site

NGINX = "nginx"


def running(site: Site) -> Container | None:
    """Its container, where one runs."""
    return among(site.docker.containers(site.environment.dify.project))


def among(found: Iterable[Container]) -> Container | None:
    return next((c for c in found if c.service == NGINX and c.state == "running"), None)


def reload(site: Site) -> None:
    """It reads its file again, where it runs."""
    if container := running(site):
        site.docker.signal(container.id, "HUP")
