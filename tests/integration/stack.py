"""A whole private stack, deployed by the steps themselves."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from config.load import load_release
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.images.copy_to_nodes import images_steps
from tasks.platforms.sandbox import nginx
from tasks.steps.compose import compose_steps
from tasks.steps.containers import down
from tasks.steps.migrate import migrate_steps
from tasks.steps.settings import settings_steps
from tasks.steps.table import PARTS
from tests.subnets import free_subnet

BRIDGE = "172.17.0.1"
STEPS: list[Callable[[Site], Sequence[Any]]] = [
    PARTS["docker"],
    PARTS["pgsql"],
    PARTS["redis"],
    images_steps,
    settings_steps,
    migrate_steps,
    compose_steps,
    PARTS["portal"],
]


@contextmanager
def deployed(
    make_site: Any,
    release: str,
    services: Sequence[str] = ("api_websocket",),
    **sections: Mapping[str, Any],
) -> Generator[Site]:
    """A sandbox of the release; nobody has set its Dify up yet."""
    known = {service.switch for service in load_release(release).services.values()}
    chosen = [service for service in services if service in known]
    site: Site = make_site(
        postgres={"host": BRIDGE},
        redis={"host": BRIDGE},
        dify={"release": release, "subnet": free_subnet(), "services": chosen},
        images={"source": "rehearsal"},
        **sections,
    )
    try:
        deploy(site)
        yield site
    finally:
        down(site)
        nginx.stop(site)


def deploy(site: Site) -> list[str]:
    """What is changed by all steps of a deploy, from Docker to the portal."""
    done = [converge(step) for build in STEPS for step in build(site)]
    return [change.what for outcome in done for change in outcome.changes]


def starts(site: Site) -> dict[str, str]:
    """Service → when its container started."""
    found, api = site.docker.containers(site.environment.dify.project), site.docker.client.api
    return {c.service: api.inspect_container(c.id)["State"]["StartedAt"] for c in found}
