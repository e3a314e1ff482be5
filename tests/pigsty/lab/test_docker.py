"""daemon.json as Pigsty's playbook leaves it, and what becomes of the proxy's password in it."""

import json
from collections.abc import Generator

import pytest

from config.load import load_environment, load_release
from tasks.pigsty.docker import DAEMON, Private
from tasks.site import Site
from tasks.step import converge
from tests.pigsty.lab.site import ENVIRONMENT, LabSite, lab_site

PROXY = "http://user:Proxy.Secret@proxy.example:3128"


@pytest.fixture(scope="module")
def lab() -> Generator[LabSite]:
    with lab_site() as made:
        yield made


@pytest.fixture
def site(lab: LabSite, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Dify's containers on the node itself."""
    lab.over_ssh()
    for name, value in lab.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROLLOUT__NODES__DIFY", json.dumps(["lab-node"]))
    monkeypatch.setenv("ROLLOUT__NODES__ADDRESSES", json.dumps([lab.lab.address]))
    environment = load_environment(ENVIRONMENT)
    return Site(environment, load_release(environment.dify.release), {})


def test_the_password_is_closed_to_others_each_time_the_playbook_opened_it(
    lab: LabSite, site: Site
) -> None:
    pigsty = lab.lab
    pigsty.common(docker_enabled=True, proxy_env={"http_proxy": PROXY})
    for _ in range(2):
        assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
        assert pigsty.mode(str(DAEMON)) == 0o644
        (change,) = converge(Private(site)).changes
        assert (change.what, change.before) == (f"close {DAEMON} to others", "mode 0644")
        assert pigsty.mode(str(DAEMON)) == 0o600
        assert not converge(Private(site)).changes


def test_without_a_password_it_is_left_as_it_is(lab: LabSite, site: Site) -> None:
    pigsty = lab.lab
    pigsty.common(docker_enabled=True, proxy_env={"http_proxy": "http://proxy.example:3128"})
    assert pigsty.run("./docker.yml", "-l", pigsty.address).status == 0
    assert not converge(Private(site)).changes
    assert pigsty.mode(str(DAEMON)) == 0o644
