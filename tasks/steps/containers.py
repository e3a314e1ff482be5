"""The stack's containers as a whole: which run, stopped and started as they are, and removed."""

from concurrent.futures import ThreadPoolExecutor

from clients.docker_objects import Container
from tasks.core.engine import usable
from tasks.core.project_owner import require_own_project
from tasks.core.site import Site
from tasks.steps.docker import compose_prefix
from tasks.steps.firewall import remove_rules
from tasks.steps.firewall_unit import remove_unit
from tasks.tools import compose


def down(site: Site) -> None:
    """No container, network or rule of the project is left on any node; data stays."""
    home, project = site.environment.dify.home, site.environment.dify.project
    for each in site.on_each():
        if usable(each):
            require_own_project(each, each.docker.containers(project))
    for each in site.on_each():
        remove_rules(each)
        remove_unit(each)
        if not usable(each):
            continue
        if each.node.read(home / "compose.yaml") is not None:
            each.node.run(compose.down(compose_prefix(each.node), home))
        for container in each.docker.containers(project):
            each.docker.remove(container.id)
        each.docker.remove_networks(project)


def running_services(site: Site) -> list[str]:
    """Services of the stack that run on some node."""
    return sorted({c.service for c in _everywhere(site) if c.state == "running"})


def made_services(site: Site) -> list[str]:
    """Services of the stack that have a container on some node, running or not."""
    return sorted({c.service for c in _everywhere(site)})


def _everywhere(site: Site) -> list[Container]:
    return [container for each in site.on_each() for container in containers(each)]


def containers(site: Site) -> list[Container]:
    """The stack's containers on the site's node; none that was started for one task."""
    found = site.docker.containers(site.environment.dify.project)
    return [container for container in found if not container.one_off]


def stop_services(site: Site, services: list[str]) -> None:
    """These services do not run on any node, if they did."""
    for each in site.on_each():
        found = each.docker.containers(site.environment.dify.project)
        require_own_project(each, found)
        up = [c.id for c in found if c.service in services and c.state == "running"]
        with ThreadPoolExecutor(len(up) + 1) as pool:
            list(pool.map(each.docker.stop, up))


def start_services(site: Site, services: list[str]) -> None:
    """The containers there are of these services run again, as they were made."""
    for each in site.on_each():
        for container in each.docker.containers(site.environment.dify.project):
            if container.service in services and not container.one_off:
                each.docker.start(container.id)
