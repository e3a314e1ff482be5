import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clients.docker import Docker
from clients.node import LocalNode
from config.environment import Environment
from config.environment.nodes import Free
from config.errors import StepError
from config.load import load_environment, load_release
from config.rules.finding import Finding, Status
from tasks.core.ports import ports
from tasks.core.site import Site
from tasks.core.transient import transient
from tasks.probes.preflight import checks as module
from tasks.probes.preflight.checks import preflight, require
from tasks.tools import machine
from tasks.tools.machine import Place
from tests.ports import free_ports


@pytest.fixture(autouse=True)
def docker_answers(monkeypatch: pytest.MonkeyPatch):
    """Docker's own answer is the business of the integration tests."""
    monkeypatch.setattr(Docker, "trouble", lambda *_: None)


def changed(environment: Environment, section: str, **values: Any) -> Environment:
    part = getattr(environment, section).model_copy(update=values)
    return environment.model_copy(update={section: part})


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("ROLLOUT__SANDBOX__HOME", str(tmp_path / "home"))
    keys = (
        "DIFY__PORT",
        "PORTAL__HTTP_PORT",
        "PORTAL__HTTPS_PORT",
        "POSTGRES__PORT",
        "REDIS__PORT",
    )
    for key, port in zip(keys, free_ports(len(keys)), strict=True):
        monkeypatch.setenv(f"ROLLOUT__{key}", str(port))
    return load_environment("sandbox")


def site(environment: Environment) -> Site:
    return Site(environment, load_release(environment.dify.release), {})


def seen(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """The machine surveyed is this one, but for these values."""
    parse = machine.parse
    monkeypatch.setattr(machine, "parse", lambda text: replace(parse(text), **values))


def bad(environment: Environment) -> list[str]:
    return [str(finding) for finding in preflight(site(environment)) if not finding.ok]


def test_a_fine_machine_passes_and_nothing_is_written(environment, tmp_path):
    environment = changed(environment, "nodes", free_gb=Free(disk=0.001, memory=0.001))
    assert bad(environment) == []
    require(preflight(site(environment)))
    assert list(tmp_path.iterdir()) == []


def test_everything_that_stands_in_the_way_is_said_at_once(environment):
    environment = changed(environment, "nodes", free_gb=Free(disk=10**6, memory=10**6))
    with pytest.raises(StepError) as refused:
        require(preflight(site(environment)))
    first, *rest = str(refused.value).splitlines()
    assert first == f"preflight: {len(rest)} things stand in the way"
    assert any("disk: " in line and "needed 1e+06 GB" in line for line in rest)
    assert any("memory: " in line and "nodes.free_gb" in line for line in rest)


def test_one_obstacle_is_one_sentence():
    finding = Finding("disk", Status.FAIL, "1 GB free", advice="free some")
    fine = Finding("memory", Status.OK, "9 GB")
    with pytest.raises(StepError) as refused:
        require([fine, finding])
    assert str(refused.value) == "preflight: disk: 1 GB free; free some"
    require([fine])


def test_a_taken_port_names_its_holder_and_the_setting(environment):
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", environment.portal.http_port))
        squatter.listen()
        comm = Path("/proc/self/comm").read_text().strip()
        assert bad(environment) == [
            f"portal.http_port: {environment.portal.http_port} is taken by {comm} "
            f"(pid {os.getpid()}); stop it or set another port in "
            "config/environments/sandbox.toml"
        ]


def test_a_release_that_takes_no_postgresql_of_the_sandbox_is_refused(environment):
    release = load_release(environment.dify.release)
    newer = release.model_copy(
        update={"postgres": release.postgres.model_copy(update={"min": 13, "max": 15})}
    )
    found = [f for f in preflight(Site(environment, newer, {})) if f.probe == "postgres"]
    assert [finding.ok for finding in found] == [False]
    assert "takes PostgreSQL 13 to 15, the sandbox brings 18" in found[0].said


def test_pigsty_says_what_it_will_do_on_a_bare_machine(environment, tmp_path):
    environment = changed(environment, "platform", kind="pigsty")
    environment = changed(environment, "pigsty", home=tmp_path / "pigsty", admin_ip="127.0.0.1")
    environment = changed(environment, "postgres", host="127.0.0.1")
    found = {finding.probe: finding for finding in preflight(site(environment))}
    assert found["pigsty.home"].said == "v4.5.0 will be put there"
    assert found["pigsty.yml"].said == "will be made by configure"
    assert found["ansible"].ok


def test_a_home_that_is_no_tree_of_pigsty_is_refused(environment, tmp_path):
    environment = changed(environment, "platform", kind="pigsty")
    environment = changed(environment, "pigsty", home=tmp_path, admin_ip="127.0.0.1")
    environment = changed(environment, "postgres", host="127.0.0.1")
    (said,) = [line for line in bad(environment) if line.startswith("pigsty.home")]
    assert f"{tmp_path} on local is there and is no tree of Pigsty" in said


def test_external_asks_the_given_servers(environment, tmp_path):
    environment = changed(environment, "platform", kind="external")
    environment = changed(environment, "nodes", free_gb=Free(disk=0.001, memory=0.001))
    environment = changed(environment, "dify", home=tmp_path / "opt", data=tmp_path / "data")
    environment = changed(environment, "postgres", host="127.0.0.1")
    environment = changed(environment, "redis", host="127.0.0.1")
    with socket.socket() as server:
        server.bind(("127.0.0.1", environment.postgres.port))
        server.listen()
        (refused,) = bad(environment)
    where = f"redis: 127.0.0.1:{environment.redis.port} does not answer: Connection refused"
    assert refused.startswith(where)


def test_a_folder_nobody_lets_us_write_is_named(environment, monkeypatch):
    seen(monkeypatch, places=tuple(Place(Path("/opt"), False, "1", 10**12) for _ in range(3)))
    obstacles = bad(environment)
    assert [line.split(":")[0] for line in obstacles] == ["dify.home", "dify.data"]
    assert "chown 0 /opt" in obstacles[0]


def test_only_root_opens_the_usual_ports(environment, monkeypatch):
    environment = changed(environment, "portal", http_port=80)
    seen(monkeypatch, uid=1000)
    monkeypatch.setattr(module, "taken", lambda *_: [])
    assert [line for line in bad(environment) if line.startswith("portal.http_port: 80 can only")]


def test_no_docker_is_fine_only_where_we_can_install_it(environment, monkeypatch):
    monkeypatch.setattr(Docker, "trouble", lambda *_: "permission denied")
    monkeypatch.setattr(LocalNode, "which", lambda *_: "/usr/bin/apt-get")
    for root, obstacles in ((True, []), (False, ["docker"])):
        monkeypatch.setattr(LocalNode, "is_root", lambda _, root=root: root)
        assert [line.split(":")[0] for line in bad(environment)] == obstacles


def test_a_machine_without_apt_is_told_what_to_install(environment, monkeypatch):
    monkeypatch.setattr(Docker, "trouble", lambda *_: "Docker is not installed at here")
    monkeypatch.setattr(LocalNode, "which", lambda *_: None)
    assert bad(environment) == [
        "docker: Docker is not installed at here; install Docker Engine and Compose there (a "
        "deploy does it only with apt-get)",
        *(
            f"{program}: {program} is not installed, and installing it takes root and apt-get; "
            f"install what brings {program} (Debian's package {package}) with this machine's "
            "package manager, then deploy again"
            for program, package in (("redis-server", "redis-server"), ("nginx", "nginx-light"))
        ),
    ]


@pytest.mark.parametrize(
    ("kernel", "obstacles"),
    [("6.1.0-13-amd64", 1), ("5.14.0-427.el9.x86_64", 1), ("6.2.0", 0), ("6.12.3-fc", 0)],
)
def test_agents_are_isolated_by_a_newer_linux(environment, monkeypatch, kernel, obstacles):
    seen(monkeypatch, kernel=kernel)
    later = changed(environment, "dify", release="1.17.1", services=["agent"])
    found = bad(later)
    assert len(found) == obstacles
    if found:
        assert found[0].startswith(
            "linux: agent_sandbox of Dify 1.17.1 needs Linux 6.2 or newer, this is "
            f"{kernel}; take a newer kernel, or 'agent' out of dify.services"
        )
    assert bad(changed(later, "dify", services=[])) == []
    assert bad(changed(later, "dify", release="1.16.1")) == []


def test_which_ports_are_asked_for_follows_the_route(environment):
    assert "dify.port" in ports(site(environment))
    assert "dify.direct_ports.api" not in ports(site(environment))
    direct = changed(environment, "portal", route="services", tls=False)
    direct = changed(direct, "dify", services=[])
    assert set(ports(site(direct))) == {
        "dify.direct_ports.web",
        "dify.direct_ports.api",
        "dify.direct_ports.plugin",
        "postgres.port",
        "redis.port",
        "portal.http_port",
    }
    external = changed(environment, "platform", kind="external")
    assert set(ports(site(external))) == {"dify.port"}


def test_a_place_that_is_not_there_yet_is_judged_by_the_nearest_folder(tmp_path):
    wanted = [tmp_path / "a" / "b", tmp_path, Path("/nowhere/at/all")]
    there = machine.parse(LocalNode().run(machine.survey(wanted)))
    assert [place.at for place in there.places] == [tmp_path, tmp_path, Path("/")]
    assert there.uid == os.geteuid()
    assert there.places[0].free > 0 and there.memory > 0
    assert there.places[0].filesystem == str(tmp_path.stat().st_dev)


def test_what_stands_in_the_way_passes_only_if_all_of_it_does():
    away = Finding("postgres", Status.FAIL, "10.0.0.2:5432 does not answer", passes=True)
    full = Finding("disk", Status.FAIL, "1 GB free")
    with pytest.raises(StepError) as passing:
        require([away])
    with pytest.raises(StepError) as staying:
        require([away, full])
    assert transient(passing.value) and not transient(staying.value)
