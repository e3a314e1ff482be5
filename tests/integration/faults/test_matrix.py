"""What a step does when something it needs is away for a while, for good, or hangs.

A few cells in `make test`; `make chaos` runs all of them. docs/reliability.md has the table.
"""

import logging
import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clients import docker_engine as engine
from clients import postgres as database
from config.environment import Environment
from config.errors import StepError
from tasks.core import step
from tasks.core.site import Site
from tasks.core.step import Outcome, converge
from tasks.core.tasks import task, unrecorded
from tasks.steps.pgsql import dify_database
from tasks.steps.table import PARTS
from tasks.steps.tasks import STEPS
from tests.integration.faults.proxy import Proxy, Way, proxy, tcp, unix
from tests.integration.sshd import SshServer

pytestmark = pytest.mark.long

EVERY = bool(os.environ.get("CHAOS_MOMENTS"))
# As the defaults, ten times as fast: what is away for 2 s stands for 20 s.
RETRIES = {"attempts": 5, "first_s": 0.2, "longest_s": 3.0}
AWAY_S = 2.0
# What one attempt may take that nobody answers, with the limits below.
HANGS_S = 4.0


@dataclass(frozen=True)
class Cell:
    """A step, the proxy before what it needs, and how that is called in what is said."""

    site: Site
    step: str
    proxy: Proxy
    name: str

    def run(self) -> Outcome:
        return unrecorded(STEPS[self.step], self.site)


@pytest.fixture(scope="module")
def base(module_sandbox_site: Any) -> Site:
    """A PostgreSQL and a Redis that run, as somebody gives them to an external environment."""
    site: Site = module_sandbox_site()
    for name in ("pgsql", "redis"):
        for part in PARTS[name](site):
            converge(part)
    return site


def given(base: Site, **sections: Any) -> Site:
    tree = base.environment.model_dump()
    external = {"platform": {"kind": "external"}, "images": {"source": "rehearsal"}}
    nodes = {"retries": RETRIES, **sections.pop("nodes", {})}
    changes: dict[str, Any] = {**external, "nodes": nodes, **sections}
    for name, values in changes.items():
        tree[name] = {**tree[name], **values}
    environment = Environment.model_validate(tree)
    return Site(environment, base.release, base.secrets)


@pytest.fixture
def postgres(base: Site) -> Generator[Cell]:
    with proxy(tcp("127.0.0.1", base.environment.postgres.port)) as way:
        yield Cell(given(base, postgres={"port": way.port}), "pgsql", way, "PostgreSQL at 127")


@pytest.fixture
def redis(base: Site) -> Generator[Cell]:
    with proxy(tcp("127.0.0.1", base.environment.redis.port)) as way:
        yield Cell(given(base, redis={"port": way.port}), "redis", way, "Redis at 127")


@pytest.fixture
def docker(base: Site, monkeypatch: pytest.MonkeyPatch) -> Generator[Cell]:
    with proxy(unix("/var/run/docker.sock")) as way:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{way.port}")
        yield Cell(given(base), "images", way, "Docker")


@pytest.fixture
def ssh(base: Site, ssh_server: SshServer, tmp_path: Path) -> Generator[Cell]:
    with proxy(tcp("127.0.0.1", ssh_server.port)) as way:
        config = tmp_path / "config"
        config.write_text(
            f"Host node\n    Port {way.port}\n    HostKeyAlias [127.0.0.1]:{ssh_server.port}\n"
            f"Match all\nInclude {ssh_server.config}\n"
        )
        nodes = {"dify": ["node"], "ssh_config": str(config)}
        yield Cell(given(base, nodes=nodes), "pgsql", way, "node")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "ANSWERS_WITHIN_S", 0.1)
    monkeypatch.setattr(engine, "ANSWERS_WITHIN_S", 2)
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_S", 2)


@pytest.fixture(params=["postgres", "redis", "docker", "ssh"])
def cell(request: pytest.FixtureRequest) -> Cell:
    found: Cell = request.getfixturevalue(request.param)
    found.run()
    return found


def test_what_is_away_for_a_while_is_waited_for(
    cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="rollout"):
        cell.proxy.away(AWAY_S)
        began = time.monotonic()
        outcome = cell.run()
    assert outcome.changes == ()
    assert time.monotonic() - began < 2 * AWAY_S + HANGS_S
    attempts = [line for line in caplog.messages if line.startswith("attempt ")]
    asks_again_itself = cell.step in ("pgsql", "redis")
    assert (attempts or asks_again_itself) and all(cell.name in line for line in attempts)


def test_what_stays_away_ends_in_one_sentence(cell: Cell) -> None:
    cell.proxy.set(Way.CLOSED)
    with pytest.raises(StepError) as raised:
        cell.run()
    cause, *rest = str(raised.value).splitlines()
    assert cell.name in cause
    assert any("5 times in " in line for line in rest), rest
    assert any(line.startswith("  do: ") for line in rest), rest


@pytest.mark.skipif(not EVERY, reason="make chaos")
def test_what_hangs_ends_as_soon_as_its_attempts_are_over(cell: Cell) -> None:
    cell.proxy.set(Way.HANGING)
    began = time.monotonic()
    with pytest.raises(StepError, match=r"5 times in "):
        cell.run()
    limit = 20.0 if cell.name == "node" else HANGS_S
    assert time.monotonic() - began < 5 * limit + 5


def test_a_server_that_hangs_in_a_statement_ends_with_the_time_of_its_step(postgres: Cell) -> None:
    assert ended_after(postgres, within_s=2) < HANGS_S


def ended_after(cell: Cell, within_s: float) -> float:
    """Seconds until a step ended whose server says nothing any more in the middle."""

    @task("pgsql", within_s=within_s, retries=True)
    def work(site: Site) -> None:
        with dify_database(site).connect() as connection:
            connection.execute("SELECT 1")
            cell.proxy.set(Way.HANGING)
            connection.execute("SELECT 1")

    began = time.monotonic()
    with pytest.raises(StepError, match=f"it has not ended within {within_s:g} s"):
        unrecorded(work, cell.site)
    return time.monotonic() - began


def test_a_quiet_system_is_asked_once(cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="rollout"):
        cell.run()
    assert not [line for line in caplog.messages if line.startswith("attempt ")]
