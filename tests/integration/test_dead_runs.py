"""Runs that last, die, are frozen, cancelled or fail: a real server, a real worker, real processes.

A checkout of its own whose heartbeat is short; everything else follows from it, as in production.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow_engine
from prefect.settings import PREFECT_API_URL, temporary_settings
from ruamel.yaml import YAML

from config.load import ROOT
from flows.parts import heartbeat
from flows.parts.stopping import MESSAGE
from tests.integration import prefect_server
from tests.integration.listener import Listener
from tests.ports import free_ports

BEAT_S = 2
SILENT_S = 6 * BEAT_S
# A worker starts, asks every 10 s, and waits half a minute where the last run has just let go.
START_WITHIN_S = 240
UNWELL = 4  # the exit status of health
MORE_S = 15  # the server looks once a second, on a machine that others use
FLOWS = '''
import os
import time

from prefect import flow
from prefect.states import Completed

from clients.command import Command
from clients.node import LocalNode
from config.errors import StepError
from flows.parts.run import recorded

def work(environment: str, seconds: float = 0, fails: str = ""):
    """A long silent command, and nothing else."""
    try:
        LocalNode().run(Command(("sleep", str(seconds)), timeout_s=300))
    except BaseException:
        time.sleep(float(os.environ.get("TIDIES_S", "0")))
        print("tidied", flush=True)
        raise
    if fails:
        raise StepError("compose", fails, advice="mend it")

@flow(name="deploy", flow_run_name="deploy {environment}", persist_result=False)
@recorded
def deploy(environment: str, seconds: float = 0, fails: str = ""):
    return work(environment, seconds, fails)

@flow(name="backup", flow_run_name="backup {environment}", persist_result=False)
@recorded
def backup(environment: str, seconds: float = 0, fails: str = ""):
    return work(environment, seconds, fails)

@flow(name="health", flow_run_name="health {environment}", persist_result=False)
@recorded
def health(environment: str):
    return Completed(name="Ok", message="ok: everything")
'''
TERMINAL = (
    "from cli import runs; from flows.work import deploy; "
    "runs._run(deploy, environment='team', seconds={seconds})"
)


@dataclass(frozen=True)
class Place:
    """A server, and a checkout that it runs flows of."""

    url: str
    checkout: Path
    api: httpx.Client

    @property
    def variables(self) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_API_URL": self.url,
            "PREFECT_HOME": str(self.checkout / "prefect-client"),
            "PYTHONPATH": str(self.checkout),
        }

    def start(self, *words: str, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("wb") as stream:
            return subprocess.Popen(
                [sys.executable, *words], cwd=self.checkout, env=self.variables,
                stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    def terminal(self, seconds: float, log: Path) -> "subprocess.Popen[bytes]":
        return self.start("-c", TERMINAL.format(seconds=seconds), log=log)

    def ask(self, path: str, **body: Any) -> Any:
        return self.api.post(path, json=body).raise_for_status().json()

    def get(self, path: str, **parameters: str) -> Any:
        return self.api.get(path, params=parameters).raise_for_status().json()

    def run(self, name: str, **parameters: Any) -> str:
        """The id of a new run of the deployment."""
        found = self.get(f"/deployments/name/{name}")
        path = f"/deployments/{found['id']}/create_flow_run"
        return str(self.ask(path, parameters={"environment": "team", **parameters})["id"])

    def states(self, run: str) -> list[tuple[str, str, str]]:
        """Type, name and message of each state the run has had."""
        found = self.get("/flow_run_states/", flow_run_id=run)
        states = sorted(found, key=lambda state: state["timestamp"])
        return [(state["type"], state["name"], state["message"] or "") for state in states]

    def state(self, run: str) -> str:
        return str(self.get(f"/flow_runs/{run}")["state_type"])

    def newest(self) -> str:
        return str(self.ask("/flow_runs/filter", sort="START_TIME_DESC", limit=1)[0]["id"])

    def failed_actions(self) -> list[Any]:
        names = {"name": ["prefect.automation.action.failed"]}
        return list(self.ask("/events/filter", filter={"event": names})["events"])


def until(done: Callable[[], Any], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def checkout(folder: Path) -> Path:
    for name in ("config", "clients", "blocks", "tasks", "flows", "cli", "docs", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    constant = folder / "config" / "rules" / "heartbeat.py"
    text, found = re.subn(r"(?m)^HEARTBEAT_S = .*", f"HEARTBEAT_S = {BEAT_S}", constant.read_text())
    assert found == 1
    constant.write_text(text)
    (folder / "flows" / "work.py").write_text(FLOWS)
    environments = folder / "config" / "environments"
    notify = '[health]\nnotify = ["custom-webhook/pager"]\n'
    (environments / "team.toml").write_text((environments / "sandbox.toml").read_text() + notify)
    for other in ("sandbox", "staging", "prod"):
        (environments / f"{other}.toml").unlink()
    deployments(folder / "prefect.yaml")
    return folder


def deployments(file: Path) -> None:
    document = YAML().load(ROOT / "prefect.yaml")
    entry = {
        "name": "team",
        "work_pool": {"name": "dify-rollout"},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "tags": ["team"],
        "parameters": {"environment": "team"},
    }
    yearly = [{"cron": "0 0 1 1 *"}]
    document["deployments"] = [
        {**entry, "entrypoint": "flows/work.py:deploy"},
        {**entry, "entrypoint": "flows/work.py:backup", "schedules": yearly},
        {**entry, "entrypoint": "flows/work.py:health"},
    ]
    YAML().dump(document, file)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, listener: Listener, server_database: dict[str, str]
) -> Generator[Place]:
    """A server that was set up, told of the webhook before."""
    folder, [port] = tmp_path_factory.mktemp("server"), free_ports(1)
    made = checkout(tmp_path_factory.mktemp("checkout"))
    with (
        prefect_server.server(folder, port, **server_database) as url,
        httpx.Client(base_url=url, timeout=30) as api,
    ):
        with temporary_settings({PREFECT_API_URL: url}):
            listener.block().save("pager", overwrite=True)
        here = Place(url, made, api)
        setup(here, folder)
        yield here


def setup(place: Place, folder: Path) -> None:
    log = folder / "setup.log"
    assert place.start("-m", "cli.main", "server", "setup", log=log).wait(180) == 0, log.read_text()


@pytest.fixture
def worker(place: Place, tmp_path: Path) -> Generator["subprocess.Popen[bytes]"]:
    words = ("-m", "prefect", "worker", "start", "--pool", "dify-rollout", "--name", tmp_path.name)
    process = place.start(*words, log=tmp_path / "worker.log")
    try:
        until(lambda: b"started" in (tmp_path / "worker.log").read_bytes())
        yield process
    finally:
        process.terminate()
        process.wait(60)


def processes_of(run: str) -> list[int]:
    """Those that Prefect started for the run, and their children, who do not get its variables."""
    own: set[int] = set()
    parents: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text()
            parents[int(process.name)] = int(stat.rpartition(")")[2].split()[1])
            if f"PREFECT__FLOW_RUN_ID={run}".encode() in (process / "environ").read_bytes():
                own.add(int(process.name))
        except OSError:
            continue
    return [*own, *(pid for pid, parent in parents.items() if parent in own and pid not in own)]


def sleeps(run: str) -> bool:
    lines = [Path(f"/proc/{pid}/cmdline") for pid in processes_of(run)]
    return any(line.read_bytes().startswith(b"sleep") for line in lines if line.exists())


@pytest.mark.usefixtures("worker")
def test_a_long_silent_run_is_not_dead_and_a_short_one_with_a_name_of_its_own_is_no_trouble(
    place: Place,
) -> None:
    """Far longer than the silence after which a run counts as dead; *Ok* is how health ends."""
    short = place.run("health/team")
    long = place.run("deploy/team", seconds=2.5 * SILENT_S)
    until(lambda: place.state(long) == "COMPLETED", 2.5 * SILENT_S + 60)
    assert [kind for kind, _, _ in place.states(long)].count("RUNNING") == 1
    assert not [state for state in place.states(long) if state[0] == "CRASHED"]
    assert place.states(short)[-1][:2] == ("COMPLETED", "Ok")
    time.sleep(SILENT_S)  # what still waits for a heartbeat would act now
    assert place.failed_actions() == []


def test_the_real_health_flow_leaves_no_failed_action(place: Place, tmp_path: Path) -> None:
    """Nothing is deployed there: it ends well, as a state with a name of its own."""
    log = tmp_path / "log"
    assert place.start("-m", "cli.main", "health", "team", log=log).wait(180) == UNWELL, (
        log.read_text()
    )
    run = place.newest()
    assert place.states(run)[-1][:2] == ("COMPLETED", "Fail")
    time.sleep(SILENT_S + MORE_S)  # the server would take it for dead by now
    assert place.states(run)[-1][:2] == ("COMPLETED", "Fail")
    assert place.failed_actions() == []


def test_a_run_whose_process_and_worker_are_killed_is_crashed_within_the_window(
    place: Place, worker: "subprocess.Popen[bytes]"
) -> None:
    run = place.run("deploy/team", seconds=200)
    until(lambda: sleeps(run), START_WITHIN_S)
    worker.kill()
    for pid in processes_of(run):
        with suppress(ProcessLookupError):  # the command ends with what started it
            os.kill(pid, signal.SIGKILL)
    until(lambda: place.state(run) == "CRASHED", SILENT_S + MORE_S)
    assert place.states(run)[-1][2].startswith(f"no heartbeat for {SILENT_S} s")


def test_a_run_whose_worker_is_stopped_is_cancelled_and_leaves_no_command(
    place: Place, worker: "subprocess.Popen[bytes]"
) -> None:
    """As `systemctl restart` does it; the next worker finishes the work."""
    run = place.run("deploy/team", seconds=200)
    until(lambda: sleeps(run), START_WITHIN_S)
    worker.terminate()
    until(lambda: place.state(run) == "CANCELLED", SILENT_S)
    assert place.states(run)[-1][2] == MESSAGE
    until(lambda: not processes_of(run), SILENT_S)
    assert "CRASHED" not in [kind for kind, _, _ in place.states(run)]


@pytest.mark.usefixtures("worker")
def test_a_run_that_was_taken_for_dead_says_that_it_is_alive_and_completes(
    place: Place, listener: Listener
) -> None:
    """Frozen for longer than the window, as a machine that hangs, and thawed."""
    run = place.run("deploy/team", seconds=2.5 * SILENT_S)
    until(lambda: sleeps(run), START_WITHIN_S)
    frozen = processes_of(run)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: place.state(run) == "CRASHED", SILENT_S + MORE_S)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    until(lambda: place.state(run) == "COMPLETED", 2.5 * SILENT_S + 60)
    names = [name for _, name, _ in place.states(run)]
    assert names[-3:] == ["Crashed", "StillAlive", "Completed"]
    until(lambda: "team: deploy is alive" in [each["subject"] for each in listener.heard])


@pytest.mark.long
def test_a_run_that_lost_its_place_in_the_queue_is_not_killed_for_it(place: Place) -> None:
    """A server that was restarted knows no lease; Prefect alone would end the run by now."""
    assert heartbeat.HEARTBEAT_S  # imported, as by every flow
    with (
        temporary_settings({PREFECT_API_URL: place.url}),
        flow_engine.maintain_concurrency_lease(  # pyright: ignore[reportPrivateImportUsage]
            uuid4(), 300, raise_on_lease_renewal_failure=True
        ),
    ):
        for _ in range(50):  # what it raises, it raises at the next instruction
            time.sleep(0.2)


def test_a_terminals_run_that_was_killed_does_not_stay_running(
    place: Place, tmp_path: Path
) -> None:
    process = place.terminal(200, tmp_path / "log")
    run = until_it_runs(place, process)
    os.killpg(process.pid, signal.SIGKILL)
    until(lambda: place.state(run) == "CRASHED", SILENT_S + MORE_S)


@pytest.mark.long
def test_a_terminals_run_that_is_cancelled_at_the_server_stops_and_says_so(
    place: Place, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = place.terminal(200, log)
    run = until_it_runs(place, process)
    state = {"type": "CANCELLING", "name": "Cancelling"}
    place.ask(f"/flow_runs/{run}/set_state", state=state)
    process.wait(6 * BEAT_S + 20)
    assert "this run was cancelling at the Prefect server; it stops here" in log.read_text()
    until(lambda: not sleepers(process.pid))


def test_a_run_that_is_cancelled_at_the_server_has_time_to_tidy_up(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore goes back to what served: it is told to stop once, not at every heartbeat."""
    log = tmp_path / "log"
    monkeypatch.setenv("TIDIES_S", str(4 * BEAT_S))
    process = place.terminal(200, log)
    run = until_it_runs(place, process)
    state = {"type": "CANCELLING", "name": "Cancelling"}
    place.ask(f"/flow_runs/{run}/set_state", state=state)
    process.wait(10 * BEAT_S + 20)
    assert log.read_text().count("it stops here") == 1
    assert "tidied" in log.read_text()


def sleepers(session: int) -> str:
    words = ["pgrep", "--session", str(session)]
    return subprocess.run(words, capture_output=True, text=True).stdout


def until_it_runs(place: Place, process: "subprocess.Popen[bytes]") -> str:
    """The id of the terminal's run, once its command is there and a heartbeat was sent."""
    until(lambda: "sleep" in _commands(process.pid))
    time.sleep(1.5 * BEAT_S)
    run = place.newest()
    assert place.state(run) == "RUNNING"
    return run


def _commands(session: int) -> str:
    words = ["ps", "-o", "args=", "--ppid", str(session)]
    return subprocess.run(words, capture_output=True, text=True).stdout


@pytest.mark.long
def test_a_terminals_run_whose_server_goes_away_does_not_stay_running(tmp_path: Path) -> None:
    """It dies while nobody can be told; the server, back again, does not wait for ever."""
    folder, [port] = tmp_path / "server", free_ports(1)
    folder.mkdir()
    made = checkout_without_webhook(tmp_path / "checkout")
    url = f"http://127.0.0.1:{port}/api"
    with httpx.Client(base_url=url, timeout=30) as api:
        place = Place(url, made, api)
        with prefect_server.server(folder, port):
            setup(place, tmp_path)
            process = place.terminal(200, tmp_path / "log")
            run = until_it_runs(place, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        with prefect_server.server(folder, port):
            until(lambda: place.state(run) == "CRASHED", SILENT_S + MORE_S)


def checkout_without_webhook(folder: Path) -> Path:
    folder.mkdir()
    made = checkout(folder)
    file = made / "config" / "environments" / "team.toml"
    file.write_text(file.read_text().replace('notify = ["custom-webhook/pager"]', ""))
    return made


@pytest.mark.long
@pytest.mark.usefixtures("worker")
def test_each_failed_run_is_told_and_of_a_schedule_the_first_until_one_is_well(
    place: Place, listener: Listener
) -> None:
    runs = [place.run("deploy/team", fails="the port is taken") for _ in range(2)]
    for run in runs:
        until(lambda run=run: place.state(run) == "FAILED")
    for fails in ("no space", "no space", "", "no space"):  # never was one well before
        run = place.run("backup/team", fails=fails)
        until(lambda run=run: place.state(run) in ("FAILED", "COMPLETED"))
        runs.append(run)
        time.sleep(2)

    def heard() -> list[dict[str, str]]:
        """Of these runs: what earlier tests had told may still come."""
        return [each for each in listener.heard if any(run in each["body"] for run in runs)]

    until(lambda: len(heard()) >= 4)
    time.sleep(3)
    subjects = [each["subject"] for each in heard()]
    assert subjects == ["team: deploy failed"] * 2 + ["team: backup failed"] * 2
    body = heard()[0]["body"]
    assert body.startswith("compose: the port is taken\n  do: mend it\nrun: deploy team\nhttp://")
    pages = place.url.removesuffix("/api")
    assert re.search(rf"{pages}/runs/flow-run/[0-9a-f-]{{36}}$", body), body
