"""Three real sentinels over a real master and replica: who sees what, and what is said of it."""

import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from config.rules.finding import Finding, Status
from tasks.core.site import Site
from tasks.probes.engine import ask_all
from tasks.probes.health import sentinel
from tasks.probes.health.probe import Past
from tests.integration.conftest import MakeSite
from tests.ports import free_ports

PASSWORD = "p@ss word"


@dataclass
class Watched:
    """A master, its replica and three sentinels, by name of the process."""

    folder: Path
    ports: dict[str, int]
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log)

    def server(self, name: str, *more: str) -> None:
        words = ["redis-server", "--port", str(self.ports[name]), "--bind", "127.0.0.1"]
        words += ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--save", "", *more]
        self.start(name, *words)

    def sentinel(self, name: str) -> None:
        path = self.folder / f"{name}.conf"
        path.write_text(
            f"port {self.ports[name]}\nbind 127.0.0.1\n"
            f"sentinel monitor dify 127.0.0.1 {self.ports['master']} 2\n"
            f'sentinel auth-pass dify "{PASSWORD}"\n'
            "sentinel down-after-milliseconds dify 500\nsentinel failover-timeout dify 60000\n"
        )
        self.start(name, "redis-sentinel", str(path))

    def end(self, name: str) -> None:
        self.running[name].kill()
        self.running.pop(name).wait()


@pytest.fixture
def watched(tmp_path: Path) -> Generator[Watched]:
    names = ("master", "replica", "one", "two", "three")
    made = Watched(tmp_path, dict(zip(names, free_ports(5), strict=True)))
    try:
        made.server("master")
        made.server("replica", "--replicaof", "127.0.0.1", str(made.ports["master"]))
        for name in ("one", "two", "three"):
            made.sentinel(name)
        yield made
    finally:
        for name in list(made.running):
            made.end(name)


@pytest.fixture
def site(watched: Watched, sandbox_site: MakeSite) -> Site:
    addresses = [f"127.0.0.1:{watched.ports[name]}" for name in ("one", "two", "three")]
    return sandbox_site(redis={"sentinels": addresses}, secrets={"redis_password": PASSWORD})


def seen(site: Site) -> dict[str, Finding]:
    found = ask_all(sentinel.probes(site, Past()), patience=2)
    return {finding.probe: finding for finding in found}


def until(site: Site, fits: Callable[[dict[str, Finding]], bool]) -> dict[str, Finding]:
    deadline = time.monotonic() + 40
    while not fits(found := seen(site)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def well(found: dict[str, Finding]) -> bool:
    return all(finding.status is Status.OK for finding in found.values())


def test_what_every_sentinel_sees_is_told(watched: Watched, site: Site):
    found = until(site, well)
    assert well(found), found
    assert f":{watched.ports['master']}, as all see it" in found["sentinel master"].said

    watched.end("one")
    found = until(site, lambda now: now["sentinel"].bad)
    assert found["sentinel"].status is Status.WARN
    assert str(watched.ports["one"]) in found["sentinel"].said
    assert found["sentinel quorum"].status is Status.OK

    watched.end("two")
    found = until(site, lambda now: now["sentinel quorum"].bad)
    assert found["sentinel"].status is found["sentinel quorum"].status is Status.FAIL
    assert "CKQUORUM" in found["sentinel quorum"].advice

    watched.end("three")
    found = seen(site)
    assert found["sentinel"].status is Status.FAIL
    assert found["sentinel master"].status is Status.UNKNOWN


def test_a_master_that_is_gone_and_the_replica_that_takes_over(watched: Watched, site: Site):
    assert well(until(site, well))
    watched.end("master")
    moved = f":{watched.ports['replica']}, as all see it"
    found = until(site, lambda now: moved in now["sentinel master"].said)
    assert found["sentinel master"].status is Status.OK, found
    assert found["sentinel replicas"].status is Status.WARN
    watched.server("master")
    assert well(until(site, well))
    assert_role(watched.ports["master"], b"slave")


def assert_role(port: int, wanted: bytes) -> None:
    """Sentinels make a master that comes back a replica some seconds later."""
    deadline = time.monotonic() + 60
    with Redis(port=port, password=PASSWORD) as client:
        while (role := client.role()[0]) != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
    assert role == wanted


def test_a_sentinel_that_sees_another_master(watched: Watched, site: Site):
    assert well(until(site, well))
    with Redis(port=watched.ports["three"]) as client:
        client.sentinel_remove("dify")
        client.sentinel_monitor("dify", "127.0.0.1", watched.ports["replica"] + 1, 2)
    found = until(site, lambda now: " says " in now["sentinel master"].said)
    assert found["sentinel master"].status is Status.FAIL
    assert "SENTINEL RESET" in found["sentinel master"].advice


def test_where_no_sentinel_is_nobody_asks_for_one(sandbox_site: MakeSite):
    assert sentinel.probes(sandbox_site(), Past()) == []
