"""Two workers of one pool: one dies in the middle of a run, and nothing is left hanging."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clients.processes import process, processes
from config.load import ROOT
from config.rules.heartbeat import SILENT_S
from tests.e2e.prefect_server import ENDED, Server, until

PREFECT = str(Path(sys.executable).parent / "prefect")


@pytest.fixture(scope="module")
def second(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Another worker beside the machine's own, as a second machine would run it."""
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with log.open("wb") as stream:
        worker = subprocess.Popen(
            [PREFECT, "worker", "start", "--pool", "dify-rollout", "--name", "second"],
            cwd=ROOT, stdout=stream, stderr=stream,
            env={**os.environ, **deployed.variables, **deployed.client},
        )  # fmt: skip
    try:
        until(lambda: b"started" in log.read_bytes())
        yield
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.long
def test_fifty_runs_of_one_environment_wait_for_each_other(server: Server, second: None) -> None:
    """Two workers could take two; the environment's limit lets one go on, and refuses none."""
    queued = [server.start(dry_run=True, only=["hosts"]) for _ in range(50)]
    seen: set[int] = set()

    def two_have_ended() -> bool:
        seen.add(server.running())
        states = [server.run(run)["state_type"] for run in queued[:8]]
        return states.count("COMPLETED") >= 2

    until(two_have_ended, within_s=240)
    assert max(seen) == 1
    states = {server.run(run)["state_type"] for run in queued}
    assert states <= {"COMPLETED", "RUNNING", "PENDING", "SCHEDULED"}
    for run in queued:
        if server.run(run)["state_type"] != "COMPLETED":
            server.cancel(run)


def test_a_dead_workers_run_is_crashed_its_lock_free_and_the_next_run_finishes(
    server: Server, deployed: Any, second: None
) -> None:
    deployed.remove("worker")
    run = server.start(reason="the worker dies")
    where = f"--project-directory {deployed.home / 'sandbox'}"
    until(lambda: bool(_pids(f"{where}.* up --detach")), within_s=180)
    os.kill(_worker_of(server, run), signal.SIGKILL)
    for pid in _pids_with(f"PREFECT__FLOW_RUN_ID={run}"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not _pids(where))
    result = deployed.json("deploy", "sandbox")
    assert result["steps"], "the lock was not free"
    ended = server.wait(run, lambda found: found["state_type"] in ENDED, within_s=SILENT_S * 3)
    assert ended["state_type"] == "CRASHED"
    assert "no heartbeat" in ended["state"]["message"]
    again = server.start(reason="the other worker")
    assert server.wait(again, lambda found: found["state_type"] in ENDED)["state_type"] == (
        "COMPLETED"
    )
    assert deployed.json("deploy", "sandbox")["changes"] == 0


def test_a_stopped_workers_run_is_cancelled_its_lock_free_and_the_next_run_finishes(
    server: Server, deployed: Any
) -> None:
    deployed.remove("worker")
    run = server.start(reason="the worker is stopped")
    where = f"--project-directory {deployed.home / 'sandbox'}"
    until(lambda: bool(_pids(f"{where}.* up --detach")), within_s=180)
    os.kill(_worker_of(server, run), signal.SIGTERM)
    ended = server.wait(run, lambda found: found["state_type"] in ENDED, within_s=60)
    assert ended["state_type"] == "CANCELLED"
    until(lambda: not _pids_with(f"PREFECT__FLOW_RUN_ID={run}"), within_s=20)
    assert not _pids(where)
    assert deployed.json("deploy", "sandbox")["steps"], "the lock was not free"
    assert deployed.json("deploy", "sandbox")["changes"] == 0


@pytest.mark.long
def test_all_processes_of_a_worker_stopped_at_once_leave_nothing_and_the_next_run_finishes(
    server: Server, deployed: Any
) -> None:
    """As `systemctl restart` does it to a unit without a KillMode of its own."""
    server.worker.restart()
    deployed.remove("worker")
    run = server.start(reason="the unit is restarted")
    where = f"--project-directory {deployed.home / 'sandbox'}"
    until(lambda: bool(_pids(f"{where}.* up --detach")), within_s=180)
    victims = _with_descendants(server.worker.process.pid)
    assert set(_pids(f"{where}.* up --detach")) <= victims
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until(lambda: not any(process(pid) for pid in victims))
    server.worker.restart()
    ended = server.wait(run, lambda found: found["state_type"] in ENDED, within_s=60)
    assert ended["state_type"] == "CANCELLED"
    assert not _pids(where)
    again = server.start(reason="the unit runs again")
    assert server.wait(again, lambda found: found["state_type"] in ENDED)["state_type"] == (
        "COMPLETED"
    )
    assert deployed.json("deploy", "sandbox")["changes"] == 0


def _with_descendants(pid: int) -> set[int]:
    """The process and all that it and those have started: what is in the unit's control group."""
    known = {pid}
    while more := {each.pid for each in processes() if each.parent in known} - known:
        known |= more
    return known


def _worker_of(server: Server, run: str) -> int:
    """The process of the worker that took the run."""
    name = server.run(run)["labels"]["prefect.worker.name"]
    if name == "second":
        [pid] = _pids("worker start --pool dify-rollout --name second")
        return pid
    return server.worker.process.pid


def _pids(pattern: str) -> list[int]:
    found = subprocess.run(["pgrep", "-f", "--", pattern], capture_output=True, text=True).stdout
    return [int(line) for line in found.split()]


def _pids_with(variable: str) -> list[int]:
    found: list[int] = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (each / "environ").read_bytes():
                found.append(int(each.name))
        except OSError:
            continue
    return found
