"""A real deploy and a real backup whose Prefect server dies or hangs in the middle."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from clients.processes import holders, listeners
from config.load import ROOT
from tests.e2e.conftest import ROLLOUT, Machine
from tests.integration import prefect_server
from tests.ports import free_ports

GOES_ON = "the Prefect server takes no records, the work goes on"
NOT_THERE = "the work has ended; how is not recorded there"
# What the silence of a server may cost beside the work.
BOUND_S = 120


@dataclass(frozen=True)
class Team:
    """A machine whose runs a server records that others run, and that server's place."""

    machine: Machine
    folder: Path
    port: int


@pytest.fixture(scope="module")
def team(new_machine: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Team]:
    folder, [port] = tmp_path_factory.mktemp("server"), free_ports(1)
    made: Machine = new_machine(
        "dies",
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        ROLLOUT__BACKUP__REPOSITORY=str(folder / "repository"),
    )
    try:
        yield Team(made, folder, port)
    finally:
        with prefect_server.server(folder, port):
            made.rollout("down", "sandbox", "--purge", "--yes", check=False)


@pytest.fixture(scope="module")
def deployed(team: Team) -> Team:
    """The team, whose machine has a Dify and one restore point."""
    with prefect_server.server(team.folder, team.port):
        team.machine.rollout("deploy", "sandbox")
        team.machine.rollout("backup", "sandbox")
    return team


@pytest.fixture
def server(team: Team) -> Generator[int]:
    """The process of the server, which has what earlier runs left."""
    with prefect_server.server(team.folder, team.port):
        [pid] = {each.pid for each in holders(listeners([team.port])).values()}
        yield pid
        for number in (signal.SIGCONT, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return


def run(
    team: Team,
    server: int,
    *words: str,
    when: Callable[[str], bool],
    stop: signal.Signals,
    back_after_s: float = 0,
) -> tuple[int, str, float]:
    """Exit status, what was said, and seconds since the server was stopped.

    `when`: of what was said until now, whether this is the middle.
    """
    log = team.folder / "said"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(ROLLOUT), *words],
            cwd=ROOT,
            env={**os.environ, **team.machine.variables},
            stdout=stream,
            stderr=stream,
        )
    while not when(log.read_text()):
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    stopped = time.monotonic()
    os.kill(server, stop)
    if back_after_s:
        threading.Timer(back_after_s, os.kill, (server, signal.SIGCONT)).start()
    status = process.wait(600)
    return status, log.read_text(), time.monotonic() - stopped


def said(words: str) -> Callable[[str], bool]:
    return lambda text: words in text


def saving(team: Team) -> Callable[[str], bool]:
    """While restic works in the repository, it has a lock there."""
    locks = team.folder / "repository" / "locks"
    return lambda _: any(locks.iterdir())


def newest(team: Team) -> dict[str, Any]:
    with httpx.Client(base_url=f"http://127.0.0.1:{team.port}/api", timeout=30) as api:
        body = {"sort": "START_TIME_DESC", "limit": 1}
        [found] = api.post("/flow_runs/filter", json=body).raise_for_status().json()
        return found


def require_told_once(text: str) -> None:
    """What is missing was said, in one sentence each."""
    assert "Traceback" not in text and "Error logging to API" not in text
    assert text.count(GOES_ON) == 1, text
    assert text.count("records of this run are missing on the server") == 1, text
    assert text.count(NOT_THERE) == 1, text


@pytest.mark.long
def test_a_first_deploy_goes_on_when_its_server_is_killed(team: Team, server: int) -> None:
    status, text, _ = run(
        team, server, "deploy", "sandbox", when=said("migrate: "), stop=signal.SIGKILL
    )
    assert status == 0, text
    require_told_once(text)
    with prefect_server.server(team.folder, team.port):
        assert team.machine.json("deploy", "sandbox")["changes"] == 0
        team.machine.rollout("verify", "sandbox")


def test_a_deploy_goes_on_when_its_server_hangs(deployed: Team, server: int) -> None:
    team = deployed
    web = docker.from_env().containers.get(f"{team.machine.project}-web-1")
    web.kill()
    status, text, seconds = run(
        team, server, "deploy", "sandbox", when=said("compose: "), stop=signal.SIGSTOP
    )
    assert status == 0, text
    require_told_once(text)
    assert seconds < BOUND_S
    web.reload()
    assert web.status == "running"


@pytest.mark.long
def test_a_backup_goes_on_when_its_server_is_killed(deployed: Team, server: int) -> None:
    team = deployed
    status, text, seconds = run(
        team, server, "backup", "sandbox", when=saving(team), stop=signal.SIGKILL
    )
    assert status == 0, text
    require_told_once(text)
    assert seconds < BOUND_S
    with prefect_server.server(team.folder, team.port):
        assert len(team.machine.json("backup", "check", "sandbox")["points"]) == 2


@pytest.mark.long
def test_a_server_that_is_back_in_time_gets_the_whole_record(deployed: Team, server: int) -> None:
    team = deployed
    status, text, _ = run(
        team, server, "backup", "sandbox", when=saving(team), stop=signal.SIGSTOP, back_after_s=8
    )
    assert status == 0, text
    assert "missing" not in text and NOT_THERE not in text and "Traceback" not in text
    found = newest(team)
    assert (found["state_type"], found["name"]) == ("COMPLETED", "backup sandbox")
    with httpx.Client(base_url=f"http://127.0.0.1:{team.port}/api", timeout=30) as api:
        body = {"flow_runs": {"id": {"any_": [found["id"]]}}}
        assert api.post("/artifacts/filter", json=body).raise_for_status().json()
