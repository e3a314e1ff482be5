"""daemon.json as Pigsty's playbook leaves it, and what becomes of the proxy's password in it."""

import json
from collections.abc import Generator

import pytest

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.pigsty.docker import DAEMON, Engine, Private
from tests.pigsty.lab.site import LabSite, lab_site

PROXY = "http://user:Proxy.Secret@proxy.example:3128"


@pytest.fixture(scope="module")
def lab() -> Generator[LabSite]:
    with lab_site() as made:
        yield made


@pytest.fixture
def site(lab: LabSite) -> Site:
    """Dify's containers on the node itself."""
    lab.over_ssh()
    here = {"DIFY": json.dumps(["lab-node"]), "ADDRESSES": json.dumps([lab.lab.address])}
    lab.set(here, "NODES")
    return lab.opened()


def test_the_password_is_never_readable_for_others(lab: LabSite, site: Site) -> None:
    """No engine answers in the lab, so the step ends with an error after the playbook."""
    pigsty = lab.lab
    pigsty.remove(str(DAEMON))
    pigsty.common(docker_enabled=True, proxy_env={"http_proxy": PROXY})
    with pytest.raises(StepError, match="still to do: install Docker Engine"):
        converge(Engine(site, settle_s=0))
    assert PROXY in (pigsty.read(str(DAEMON)) or "")
    assert pigsty.mode(str(DAEMON)) == 0o600
    assert not converge(Private(site)).changes


def test_a_file_that_the_playbook_made_is_closed_for_good(lab: LabSite, site: Site) -> None:
    pigsty = lab.lab
    pigsty.remove(str(DAEMON))
    pigsty.common(docker_enabled=True, proxy_env={"http_proxy": PROXY})
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    (change,) = converge(Private(site)).changes
    assert (change.what, change.before) == (f"close {DAEMON} to others", "mode 0644")
    pigsty.common(docker_registry_mirrors=["https://mirror.example"])
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert "mirror.example" in (pigsty.read(str(DAEMON)) or "")
    assert pigsty.mode(str(DAEMON)) == 0o600
    assert not converge(Private(site)).changes
