"""An engine of our own pulls through squid, with a password, and its containers stay up."""

import json
import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from clients.docker import Docker
from config.desired.daemon import proxies
from config.environment import Environment
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.images.pull import pull
from tasks.steps.proxy import Places, Proxy
from tests.integration.squid import PASSWORD, serve_squid
from tests.ports import free_ports


@pytest.fixture(scope="module")
def squid() -> Generator[tuple[str, Path]]:
    """A proxy that wants a password, and its log."""
    with serve_squid(free_ports(1)[0]) as served:
        yield served


@pytest.fixture
def engine(make_engine, gateway):
    """One that trusts the test's registry, has a setting of its own, and runs a container."""
    with make_engine(json.dumps({"insecure-registries": [f"{gateway}/32"]}, indent=4)) as engine:
        yield engine


@pytest.fixture
def sleeper(engine, tmp_path) -> str:
    """A container that would notice a restart: its id."""
    linked = subprocess.run(["ldd", "/bin/sleep"], capture_output=True, text=True, check=True)
    with tarfile.open(tmp_path / "root.tar", "w", dereference=True) as archive:
        for path in ["/bin/sleep", *re.findall(r"(/\S+) \(0x", linked.stdout)]:
            archive.add(path, path)
    with (tmp_path / "root.tar").open("rb") as tree:
        engine.docker.import_filesystem(tree, "sleeper", "1")
    api = engine.docker.client.api
    host = api.create_host_config(network_mode="none")
    made = api.create_container("sleeper:1", ["/bin/sleep", "600"], host_config=host)
    api.start(made["Id"])
    yield made["Id"]
    engine.docker.remove(made["Id"])


def step(engine, url: str, password: str = PASSWORD) -> Proxy:
    tree = load_environment("sandbox").model_dump()
    tree["docker"]["proxy"] = url
    environment = Environment.model_validate(tree)
    site = Site(environment, load_release(environment.dify.release), {}, engine.node)
    places = Places(
        engine.config, engine.folder / "proxy.env", engine.folder / "drop-in.conf",
        engine.pidfile, engine.folder / "dockerd.log",
    )  # fmt: skip
    return Proxy(site, proxies(environment, "robot", password), places)


def _in_file(engine) -> list[str]:
    """The key of daemon.json that engines from 23 on have for proxies."""
    return ["proxies"] if int(engine.docker.version().partition(".")[0]) >= 23 else []


def started(docker: Docker, container: str) -> tuple[bool, str, int]:
    state = docker.client.api.inspect_container(container)["State"]
    return state["Running"], state["StartedAt"], state["Pid"]


def test_pulls_go_through_the_proxy_and_containers_stay_up(
    engine, squid, sleeper, make, registry, outer_registry
) -> None:
    url, log = squid
    name = f"rollout-test/{uuid.uuid4().hex[:8]}:1"
    make(f"{registry}/{name}", [1000])
    make.push(f"{registry}/{name}")
    before = started(engine.docker, sleeper)
    done = converge(step(engine, url))
    assert [change.what for change in done.changes] == [
        f"write {engine.config}",
        "let containers outlive Docker Engine",
        "restart Docker Engine",
    ]
    assert started(engine.docker, sleeper) == before
    settings = json.loads(engine.config.read_text())
    assert list(settings) == ["insecure-registries", "live-restore", *_in_file(engine)]
    assert engine.config.with_name("daemon.json.previous").exists()
    config = load_environment("sandbox").images
    pull(engine.docker, [name], config.model_copy(update={"registries": [outer_registry]}), {})
    assert outer_registry.partition(":")[0] in log.read_text()
    assert "robot" in log.read_text()


def test_the_second_run_restarts_nothing_and_another_password_does(engine, squid, sleeper) -> None:
    url, _ = squid
    converge(step(engine, url))
    pid, before = engine.pidfile.read_text(), started(engine.docker, sleeper)
    assert converge(step(engine, url)).changes == ()
    assert engine.pidfile.read_text() == pid
    changes = converge(step(engine, url, "another")).changes
    written = [f"write {engine.config}"] if _in_file(engine) else []
    assert [change.what for change in changes] == [*written, "restart Docker Engine"]
    assert "another" not in str(changes)
    assert started(engine.docker, sleeper) == before


def test_a_dry_run_touches_nothing(engine, squid) -> None:
    text, pid = engine.config.read_bytes(), engine.pidfile.read_text()
    assert len(converge(step(engine, squid[0]), dry_run=True).changes) == 3
    assert (engine.config.read_bytes(), engine.pidfile.read_text()) == (text, pid)


def test_a_broken_daemon_json_is_named_and_left_alone(engine, squid) -> None:
    engine.config.write_text("{ broken")
    with pytest.raises(Exception, match=r"is not JSON.*\n.*nothing was written"):
        converge(step(engine, squid[0]))
    assert engine.config.read_text() == "{ broken"


def test_the_password_is_in_no_argument_and_no_open_file(engine, squid) -> None:
    converge(step(engine, squid[0]))
    pid = engine.pidfile.read_text()
    assert b"s3cret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for path in engine.folder.glob("*"):
        if path.is_file() and b"s3cret" in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path
    assert os.environ.get("HTTP_PROXY", "") == ""
