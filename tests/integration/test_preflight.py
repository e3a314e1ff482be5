"""Whose a port is, decided on real processes: our nginx, somebody else's."""

import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tasks.core.ports import taken
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox import nginx
from tasks.probes.preflight.checks import preflight
from tasks.steps.table import PARTS
from tests.integration.conftest import MakeSite
from tests.integration.stack import BRIDGE


@pytest.fixture
def site(sandbox_site: Callable[..., Site]) -> Generator[Site]:
    site = sandbox_site()
    yield site
    nginx.stop(site)


def test_the_portals_own_ports_are_ours(site: Site):
    assert taken(site) == []
    for step in PARTS["portal"](site):
        converge(step)
    assert {(found.key, found.ours) for found in taken(site)} == {
        ("portal.http_port", True),
        ("portal.https_port", True),
    }


def test_the_portal_of_another_sandbox_is_not_ours(site: Site, tmp_path: Path):
    for step in PARTS["portal"](site):
        converge(step)
    elsewhere = site.environment.sandbox.model_copy(update={"home": tmp_path / "hom"})
    other = site.environment.model_copy(update={"sandbox": elsewhere})
    found = {socket.key: socket for socket in taken(Site(other, site.release, site.secrets))}
    assert not found["portal.http_port"].ours
    assert found["portal.http_port"].holder.startswith("nginx (pid ")


@pytest.mark.parametrize(
    ("address", "ours"), [("172.30.31.5", True), ("172.30.32.5", False)], ids=["ours", "theirs"]
)
def test_a_container_is_ours_by_its_network(site: Site, address: str, ours: bool):
    """Docker's own forwarder, started as the engine does for a container at that address."""
    port = site.environment.dify.port
    words = f"-proto tcp -host-ip 127.0.0.1 -host-port {port} -container-ip {address}".split()
    # It tells its parent on descriptor 3 that it listens.
    forwarder = subprocess.Popen(
        ["bash", "-c", 'exec docker-proxy "$@" 3>&1', "bash", *words, "-container-port", "80"],
        stdout=subprocess.PIPE,
    )
    try:
        assert forwarder.stdout
        assert forwarder.stdout.read(1) == b"0"
        assert [(found.key, found.ours) for found in taken(site)] == [("dify.port", ours)]
    finally:
        forwarder.kill()
        forwarder.communicate()


def test_a_bridge_of_docker_that_has_another_address_is_named(sandbox_site: MakeSite) -> None:
    """It is a setting of the engine (bip, default-address-pools), which many have."""
    site = sandbox_site(postgres={"host": "172.31.255.1"}, redis={"host": BRIDGE})
    [found] = [each for each in preflight(site) if each.probe == "addresses"]
    assert found.at_fault
    assert str(found) == (
        "addresses: this machine has no address 172.31.255.1; set postgres.host to the address of "
        f"Docker's bridge, {BRIDGE}, in config/environments/sandbox.toml"
    )
    [fine] = [each for each in preflight(sandbox_site("fine")) if each.probe == "addresses"]
    assert fine.ok
