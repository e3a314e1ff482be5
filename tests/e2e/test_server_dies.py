"""A real deploy and a real backup whose Prefect server dies or hangs in the middle."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator
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
        "172.30.49.0/24",
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        ROLLOUT__BACKUP__REPOSITORY=str(folder / "repository"),
    )
    try:
        yield Team(made, folder, port)
    finally:
        with prefect_server.server(folder, port):
            made.rollout("down", "sandbox", "--purge", "--yes", check=False)


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
    team: Team, server: int, *words: str, at: str, stop: signal.Signals, back_after_s: float = 0
) -> tuple[int, str, float]:
    """Exit status, what was said, and seconds since the server was stopped: when `at` was said."""
    process = subprocess.Popen(
        [str(ROLLOUT), *words],
        cwd=ROOT,
        env={**os.environ, **team.machine.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    lines: list[str] = []
    stopped = 0.0
    for line in process.stdout:
        lines.append(line)
        if at in line and not stopped:
            stopped = time.monotonic()
            os.kill(server, stop)
            if back_after_s:
                threading.Timer(back_after_s, os.kill, (server, signal.SIGCONT)).start()
    status, said = process.wait(60), "".join(lines)
    assert stopped, said
    return status, said, time.monotonic() - stopped


def newest(team: Team) -> dict[str, Any]:
    with httpx.Client(base_url=f"http://127.0.0.1:{team.port}/api", timeout=30) as api:
        body = {"sort": "START_TIME_DESC", "limit": 1}
        [found] = api.post("/flow_runs/filter", json=body).raise_for_status().json()
        return found


def require_told_once(said: str) -> None:
    """What is missing was said, in one sentence each."""
    assert "Traceback" not in said and "Error logging to API" not in said
    assert said.count(GOES_ON) == 1, said
    assert said.count("records of this run are missing on the server") == 1, said
    assert said.count(NOT_THERE) == 1, said


def test_a_first_deploy_goes_on_when_its_server_is_killed(team: Team, server: int) -> None:
    status, said, _ = run(team, server, "deploy", "sandbox", at="migrate: ", stop=signal.SIGKILL)
    assert status == 0, said
    require_told_once(said)
    with prefect_server.server(team.folder, team.port):
        assert team.machine.json("deploy", "sandbox")["changes"] == 0
        team.machine.rollout("verify", "sandbox")


def test_a_deploy_goes_on_when_its_server_hangs(team: Team, server: int) -> None:
    web = docker.from_env().containers.get(f"{team.machine.project}-web-1")
    web.kill()
    status, said, seconds = run(
        team, server, "deploy", "sandbox", at="compose: ", stop=signal.SIGSTOP
    )
    assert status == 0, said
    require_told_once(said)
    assert seconds < BOUND_S
    web.reload()
    assert web.status == "running"


def test_a_backup_goes_on_when_its_server_is_killed(team: Team, server: int) -> None:
    status, said, seconds = run(
        team, server, "backup", "sandbox", at="backup: ", stop=signal.SIGKILL
    )
    assert status == 0, said
    require_told_once(said)
    assert seconds < BOUND_S
    with prefect_server.server(team.folder, team.port):
        assert len(team.machine.json("points", "sandbox", "--check")["points"]) == 1


def test_a_failed_backup_fails_also_when_its_server_is_killed(team: Team, server: int) -> None:
    storage = team.folder / "repository"
    away = storage.rename(team.folder / "away")
    storage.write_text("no repository")
    try:
        status, said, _ = run(team, server, "backup", "sandbox", at="backup", stop=signal.SIGKILL)
    finally:
        storage.unlink()
        away.rename(storage)
    assert status == 1, said
    assert "error: " in said and "Traceback" not in said


def test_a_server_that_is_back_in_time_gets_the_whole_record(team: Team, server: int) -> None:
    status, said, _ = run(
        team, server, "backup", "sandbox", at="backup: ", stop=signal.SIGSTOP, back_after_s=8
    )
    assert status == 0, said
    assert "missing" not in said and NOT_THERE not in said and "Traceback" not in said
    found = newest(team)
    assert (found["state_type"], found["name"]) == ("COMPLETED", "backup sandbox")
    with httpx.Client(base_url=f"http://127.0.0.1:{team.port}/api", timeout=30) as api:
        body = {"flow_runs": {"id": {"any_": [found["id"]]}}}
        assert api.post("/artifacts/filter", json=body).raise_for_status().json()
