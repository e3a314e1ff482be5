"""A stack whose addresses another network of Docker has: Compose's own reason is in the error."""

import secrets
from collections.abc import Generator

import docker
import pytest

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, converge
from tasks.images.copy_to_nodes import images_steps
from tasks.probes.preflight.checks import preflight
from tasks.steps.compose import Stack
from tasks.steps.containers import down
from tasks.steps.migrate import Migrate
from tasks.steps.settings import Files, Folders
from tests.integration.conftest import MakeSite
from tests.integration.stack import BRIDGE

# Docker itself gives none of these to a network.
TAKEN = "10.213.77.0/25"


@pytest.fixture
def neighbour() -> Generator[str]:
    """A network that somebody made by hand."""
    engine = docker.from_env()
    pool = docker.types.IPAMPool(subnet=TAKEN)
    name = f"taken-{secrets.token_hex(4)}"
    network = engine.networks.create(name, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    yield name
    network.remove()


@pytest.fixture
def site(sandbox_site: MakeSite) -> Site:
    address = {"host": BRIDGE}
    return sandbox_site(
        postgres=address,
        redis=address,
        dify={"subnet": "10.213.77.0/24"},
        images={"source": "rehearsal"},
    )


def test_compose_that_ends_well_without_a_stack_is_heard(site: Site, neighbour: str) -> None:
    for step in (*images_steps(site), Folders(site), Files(site)):
        converge(step)
    try:
        for step in (Migrate(site), Stack(site)):
            with pytest.raises(StepError, match="Pool overlaps with other one"):
                step.apply(Change(Kind.CHANGE, "all", "go on"))
    finally:
        down(site)
    assert site.docker.networks(site.environment.dify.project) == {}
    [found] = [each for each in preflight(site) if each.probe == "dify.subnet"]
    assert found.at_fault
    assert f"overlaps {TAKEN} of the Docker network {neighbour}" in found.said
