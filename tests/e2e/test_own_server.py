"""The sandbox's own Prefect server: started twice at once, closed to strangers, ended by down."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.processes import processes, variables
from config.load import ROOT
from tests.e2e.conftest import Machine
from tests.e2e.prefect_server import ENDED, Worker

START = "from cli import runs, sandbox; runs.tell_steps(); sandbox._own_server('sandbox')"
SETUP = "from cli.server_setup import apply_setup; apply_setup(['sandbox'])"
STRANGER = {"Origin": "http://evil.test"}


def python(machine: Machine, script: str, **more: str) -> "subprocess.Popen[str]":
    env = {**os.environ, **machine.variables, **more}
    return subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def of(machine: Machine) -> list[str]:
    """Command line of each process that belongs to the machine's Prefect."""
    home = str(machine.home / "sandbox" / "prefect")
    found = [process for process in processes() if "prefect" in process.title]
    return [each.title for each in found if variables(each.pid).get("PREFECT_HOME") == home]


@pytest.fixture(scope="module")
def started(new_machine: Any) -> Generator[Machine]:
    """A machine whose server two processes started at once, without any Dify."""
    made: Machine = new_machine("own")
    try:
        both = [python(made, START) for _ in range(2)]
        said = [process.communicate(timeout=240)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        setup = python(made, SETUP, **made.client)
        assert setup.wait(120) == 0, setup.stdout and setup.stdout.read()
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


def test_two_starts_at_once_leave_one_server_and_one_worker(started: Machine) -> None:
    lines = of(started)
    assert [sum(f"prefect {name} start" in line for line in lines) for name in (
        "server", "worker",
    )] == [1, 1]  # fmt: skip


def test_nobody_is_let_in_without_the_login(started: Machine) -> None:
    paths = ("admin/settings", "block_documents/count", "work_pools/dify-rollout")
    answers = [httpx.get(f"{started.api_url}/{path}") for path in paths]
    wrong = httpx.get(f"{started.api_url}/{paths[2]}", auth=("admin", "admin"))
    assert {answer.status_code for answer in [*answers, wrong]} == {httpx.codes.UNAUTHORIZED}
    body = {"block_documents": {}, "include_secrets": True}
    for auth in (None, httpx.BasicAuth(*started.login.split(":"))):
        answer = httpx.post(f"{started.api_url}/block_documents/filter", json=body, auth=auth)
        assert answer.status_code == httpx.codes.FORBIDDEN, "changed without the page's token"
    file = started.home / "sandbox" / "prefect" / "login"
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_page_of_the_browser_reads_nothing(started: Machine) -> None:
    url = f"{started.api_url}/work_pools/dify-rollout"
    with started.api() as api:
        assert "access-control-allow-origin" not in api.get(url, headers=STRANGER).headers
        asked = {**STRANGER, "Access-Control-Request-Method": "POST"}
        assert api.options(url, headers=asked).status_code == httpx.codes.BAD_REQUEST
        own = {"Origin": started.api_url.removesuffix("/api")}
        found = api.get(url, headers=own).headers
    assert found["access-control-allow-origin"] == own["Origin"]


def test_a_run_does_not_choose_its_command(started: Machine, tmp_path: Path) -> None:
    """Where the server looks it refuses; elsewhere the worker has no place to put it in."""
    mark = tmp_path / "mark"
    chosen = {
        "command": f"touch {mark}",
        "working_dir": str(tmp_path),
        "env": {"ROLLOUT__DIFY__PROT": "1"},
    }
    with started.api() as api:
        found = api.get("/deployments/name/deploy/sandbox").json()
        for name, value in chosen.items():
            answer = api.post(
                f"/deployments/{found['id']}/create_flow_run",
                json={"job_variables": {name: value}},
            )
            assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
        run = api.post(
            "/flow_runs/",
            json={
                "flow_id": found["flow_id"],
                "deployment_id": found["id"],
                "work_pool_name": "dify-rollout",
                "state": {"type": "SCHEDULED"},
                "parameters": {"environment": "sandbox", "dry_run": True, "only": ["hosts"]},
                "job_variables": chosen,
            },
        ).json()["id"]
        deadline = time.monotonic() + 120
        while (state := api.get(f"/flow_runs/{run}").json()["state_type"]) not in ENDED:
            assert time.monotonic() < deadline, state
            time.sleep(0.5)
    assert state == "COMPLETED"
    assert not mark.exists()


def test_the_worker_does_not_know_the_servers_database(started: Machine) -> None:
    worker = Worker(started.home / "sandbox" / "prefect").own
    assert worker["PREFECT_API_AUTH_STRING"] == started.login
    assert not [name for name in worker if "DATABASE" in name]
    password = (started.home / "sandbox" / "prefect" / "database-password").read_text().strip()
    assert password not in "".join(worker.values())


def test_a_server_of_before_is_started_again_with_the_login(started: Machine) -> None:
    """One that runs without a password, as earlier versions started it."""
    login = started.home / "sandbox" / "prefect" / "login"
    before = login.read_text()
    login.write_text("admin:another\n")
    again = python(started, START)
    said = again.communicate(timeout=240)[0]
    assert again.returncode == 0, said
    assert "start the Prefect server" in said and "start the Prefect worker" in said
    assert before.strip() != started.login
    with started.api() as api:
        assert api.get("/work_pools/dify-rollout").is_success
    assert len([line for line in of(started) if " start " in line]) == 2


def test_the_command_line_logs_in_by_itself(started: Machine) -> None:
    url = {"PREFECT_API_URL": started.api_url}
    for given in ({}, url, {"PREFECT_API_AUTH_STRING": "of:another-server"}):
        done = started.rollout("history", "sandbox", "--json", check=False, **given)
        assert done.returncode == 0, done.stderr


def test_nothing_is_left_after_down(started: Machine) -> None:
    assert of(started)
    started.rollout("down", "sandbox")
    assert of(started) == []
