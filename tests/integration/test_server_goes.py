"""The Prefect server dies or hangs in the middle of a run: the work and its status stay."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from clients.processes import holders, listeners
from config.load import ROOT
from tests.integration import prefect_server
from tests.long import long
from tests.ports import free_ports

# A command whose flow stops its own server in the middle; what it says is what `rollout` says.
COMMAND = """
import os, signal, sys, threading, time
from cli import check, main, runs

def check_(environment, *, as_json):
    from prefect import flow
    from config.errors import RolloutError
    from flows.parts import recording
    from flows.parts.graph import Graph
    from flows.parts.run import recorded
    from tasks.core.site import without_secrets
    from tasks.core.tasks import task

    @task("work", within_s=60)
    def work(site):
        return 26

    @flow(name="work", persist_result=False)
    @recorded
    def worked(environment: str):
        site = without_secrets(environment)
        recording.table("before", [{"a": 1}], "before")
        os.kill(int(os.environ["SERVER"]), getattr(signal, os.environ["SIGNAL"]))
        if after := float(os.environ["BACK_AFTER"]):
            resume = threading.Timer(after, os.kill, (int(os.environ["SERVER"]), signal.SIGCONT))
            resume.daemon = True
            resume.start()
        checks = Graph(site).run(work)
        for number in range(4):
            recording.table(f"after-{number}", [{"a": 1}], "after")
        if os.environ.get("FAILS"):
            raise RolloutError("the work failed")
        return checks

    print(runs._run(worked, environment="sandbox"), "checks passed")

check.check = check_
sys.argv = ["rollout", "check", "sandbox"]
main.main()
"""
BOUND_S = 90


@pytest.fixture
def server(tmp_path: Path) -> Generator[tuple[str, int]]:
    """The address of a server and its process."""
    [port] = free_ports(1)
    with prefect_server.server(tmp_path, port) as url:
        [pid] = {each.pid for each in holders(listeners([port])).values()}
        try:
            yield url, pid
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
def command(server: tuple[str, int], tmp_path: Path) -> Callable[..., tuple[int, str, str, float]]:
    def run(stop: str, *, back_after: float = 0, **more: str) -> tuple[int, str, str, float]:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", COMMAND], cwd=ROOT, capture_output=True, text=True, timeout=300,
            env={**os.environ, "PREFECT_API_URL": server[0], "PREFECT_HOME": str(tmp_path / "own"),
                 "SERVER": str(server[1]), "SIGNAL": stop, "BACK_AFTER": str(back_after), **more},
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr, time.monotonic() - began

    return run


@pytest.mark.parametrize("stop", ["SIGKILL", long("SIGSTOP")])
def test_the_work_goes_on_and_says_once_what_is_missing(command, stop: str) -> None:
    status, out, said, seconds = command(stop)
    assert (status, out) == (0, "26 checks passed\n"), said
    assert "Traceback" not in said and "Error logging to API" not in said
    assert said.count("the Prefect server takes no records, the work goes on") == 1
    assert said.count("4 records of this run are missing on the server") == 1
    assert said.count("the work has ended; how is not recorded there") == 1
    assert len(said.splitlines()) <= 5
    assert seconds < BOUND_S


@pytest.mark.long
def test_the_exit_status_is_that_of_the_work(command) -> None:
    status, out, said, _ = command("SIGKILL", FAILS="1")
    assert (status, out) == (1, "")
    assert said.splitlines()[-1] == "error: the work failed"
    assert "Traceback" not in said


def test_a_server_that_is_back_gets_what_it_missed(command, server: tuple[str, int]) -> None:
    status, out, said, _ = command("SIGSTOP", back_after=8)
    assert (status, out) == (0, "26 checks passed\n"), said
    api = httpx.Client(base_url=server[0], timeout=30)
    [run] = api.post("/flow_runs/filter", json={}).json()
    assert run["state_type"] == "COMPLETED"
    artifacts = {each["key"] for each in api.post("/artifacts/filter", json={}).json()}
    assert artifacts == {"before", *(f"after-{number}" for number in range(4))}
    assert "missing" not in said
