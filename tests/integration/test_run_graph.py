"""A run as its Prefect server tells it: tasks, edges, messages, and the end of what hangs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.load import ROOT
from tests.integration import prefect_server
from tests.ports import free_ports

QUICK = {"ROLLOUT__NODES__RETRIES__FIRST_S": "0.2", "ROLLOUT__NODES__RETRIES__LONGEST_S": "0.4"}
SLOW = {"ROLLOUT__NODES__RETRIES__FIRST_S": "40", "ROLLOUT__NODES__RETRIES__LONGEST_S": "40"}
SENTENCE = "pgsql: it broke\n  do: mend it"
# Tasks of the table's names that do something else; the graph is the product's.
PROGRAM = """
import os, signal, sys, threading
from cli import runs
from clients.command import Command
from clients.node import LocalNode
from clients.postgres import PostgresRefused, PostgresUnreachable
from config.errors import RolloutError, StepError
from flows.parts import graph
from flows.parts.graph import Graph
from flows.parts.run import recorded
from prefect import flow
from prefect.context import FlowRunContext
from prefect.task_runners import ThreadPoolTaskRunner
from tasks.core.site import without_secrets
from tasks.core.step import Outcome
from tasks.core.tasks import task

what, tried = sys.argv[1], []

def of(name):
    within_s = 1 if what == "hangs" else 60
    @task(name, within_s=within_s, description=f"Do {name}.", retries=True)
    def work(site):
        if name == "pgsql" and what == "fails":
            raise StepError("pgsql", "it broke", advice="mend it")
        if name == "pgsql" and what == "hangs":
            LocalNode().run(Command(("sleep", "600.27"), timeout_s=3600))
        if name == "pgsql" and what == "cancelled":
            threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        if name == "pgsql" and what in ("away", "refused", "cancelled"):
            tried.append(name)
            if what == "refused":
                raise PostgresRefused("PostgreSQL refuses dify: the password is wrong")
            if len(tried) < 3 or what == "cancelled":
                raise PostgresUnreachable("PostgreSQL at 10.0.0.2:5432 does not answer")
        return Outcome(name, (), 0.0, applied=False)
    return work

graph.STEPS = {name: of(name) for name in ("docker", "pgsql", "redis", "settings")}

@task("fits", within_s=60)
def fits(site):
    \"\"\"Ask.\"\"\"
    return Outcome("fits", (), 0.0, applied=False)

@task("each", within_s=60, each="item")
def each(site, item):
    \"\"\"Ask one.\"\"\"
    return Outcome(item, (), 0.0, applied=False)

# One at a time: what a task waits for is asked when the one before has ended.
workers = ThreadPoolTaskRunner(max_workers=1 if what == "works" else 8)

@flow(name="work", persist_result=False, task_runner=workers)
@recorded
def worked(environment: str):
    made = Graph(without_secrets(environment))
    made.steps(["docker", "pgsql", "redis"])
    made.run(fits)
    # As if the state that is waited for had the address of a freed result.
    results = FlowRunContext.get().run_results
    results[id(made._ends[0].id)] = next(iter(results.values()))
    made.each(each, ["one", "two"])
    return len(made.steps(["settings"]))

try:
    print(runs._run(worked, environment="sandbox"))
except RolloutError as error:
    sys.exit(str(error))
"""


@dataclass(frozen=True)
class Run:
    """What the program printed, and what the server has of its run."""

    printed: str
    said: str
    seconds: float
    state: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    states: set[str]
    logs: str

    def waits(self, name: str) -> set[str]:
        """The names of the tasks that this one waits for."""
        names = {task["id"]: name for name, task in self.tasks.items()}
        return {names[each["id"]] for each in self.tasks[name]["task_inputs"].get("wait_for", ())}


@pytest.fixture
def run(tmp_path: Path) -> Generator[Callable[[str], Run]]:
    [port] = free_ports(1)
    with prefect_server.server(tmp_path, port) as url, httpx.Client(base_url=url) as api:
        yield lambda what: recorded(api, url, tmp_path, what)


def recorded(api: httpx.Client, url: str, home: Path, what: str) -> Run:
    began = time.monotonic()
    env = (
        os.environ
        | (SLOW if what == "cancelled" else QUICK)
        | {"PREFECT_API_URL": url, "PREFECT_HOME": str(home / "own")}
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, what],
        cwd=ROOT, capture_output=True, text=True, timeout=300, env=env,
    )  # fmt: skip
    seconds = time.monotonic() - began
    [flow] = api.post("/flow_runs/filter", json={}).json()
    tasks = settled(api)
    logs = api.post("/logs/filter", json={}).json()
    text = "\n".join(each["message"] for each in logs)
    by_name = {each["name"].removesuffix(" sandbox"): each for each in tasks}
    states = {
        state["name"]
        for task in tasks
        for state in api.get("/task_run_states/", params={"task_run_id": task["id"]}).json()
    }
    return Run(done.stdout, done.stderr, seconds, flow["state"], by_name, states, text)


def settled(api: httpx.Client) -> list[dict[str, Any]]:
    """The task runs, once the server has taken all that it was sent of them."""
    deadline, before = time.monotonic() + 60, None
    while time.monotonic() < deadline:
        found = api.post("/task_runs/filter", json={}).json()
        if found == before and all(each["state_type"] in ("COMPLETED", "FAILED") for each in found):
            return found
        before = found
        time.sleep(2)
    return before or []


def test_each_task_has_its_key_and_waits_for_those_before_it(run: Callable[[str], Run]) -> None:
    done = run("works")
    assert done.printed == "1\n", done.said
    assert done.state["type"] == "COMPLETED"
    assert {name: done.waits(name) for name in done.tasks} == {
        "docker": set(),
        "pgsql": {"docker"},
        "redis": {"docker"},
        "fits": {"pgsql", "redis"},
        "each one": {"fits"},
        "each two": {"fits"},  # and not what else has returned Python's one empty tuple
        "settings": {"each one", "each two"},
    }
    assert all(task["run_count"] == 1 for task in done.tasks.values())


def test_what_failed_says_its_one_sentence_everywhere(run: Callable[[str], Run]) -> None:
    done = run("fails")
    assert done.said.strip().endswith(SENTENCE)
    assert (done.state["type"], done.state["message"]) == ("FAILED", SENTENCE)
    failed = done.tasks["pgsql"]["state"]
    assert (failed["type"], failed["message"]) == ("FAILED", SENTENCE)
    assert done.tasks["redis"]["state"]["type"] == "COMPLETED"
    assert "fits" not in done.tasks
    for text in (done.logs, done.said):
        assert "Traceback" not in text and "encountered an exception" not in text
    assert SENTENCE in done.logs


def test_what_is_away_for_a_moment_is_tried_again_where_people_see_it(
    run: Callable[[str], Run],
) -> None:
    done = run("away")
    assert done.printed == "1\n", done.said
    assert done.tasks["pgsql"]["run_count"] == 3
    assert done.tasks["settings"]["run_count"] == 1
    assert {"AwaitingRetry", "Retrying", "Completed"} <= done.states
    for text in (done.logs, done.said):
        for number in (2, 3):
            assert f"attempt {number} of 5 in 0 s: PostgreSQL at 10.0.0.2:5432 does not" in text
        assert "Traceback" not in text


def test_a_password_that_is_refused_is_sent_once(run: Callable[[str], Run]) -> None:
    done = run("refused")
    assert done.tasks["pgsql"]["run_count"] == 1
    assert done.state["message"] == "PostgreSQL refuses dify: the password is wrong"
    assert "attempt" not in done.logs + done.said


def test_what_hangs_is_ended_and_the_run_says_so(run: Callable[[str], Run]) -> None:
    done = run("hangs")
    assert "pgsql: it has not ended within 1 s" in done.state["message"]
    assert done.tasks["pgsql"]["state"]["message"] == done.state["message"]
    assert "Traceback" not in done.logs + done.said
    assert "worker thread" not in done.logs
    assert subprocess.run(["pgrep", "-xf", "sleep 600.27"], capture_output=True).returncode == 1
    assert done.seconds < 120


def test_a_cancel_does_not_wait_for_the_next_attempt(run: Callable[[str], Run]) -> None:
    done = run("cancelled")
    assert done.seconds < 50, done.said
    assert "Traceback" not in done.said
    assert done.tasks["pgsql"]["state"]["message"] == "the run was cancelled"
