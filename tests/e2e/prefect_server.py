"""The Prefect server of a deployed machine, asked through its API."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from clients.processes import Process, variables
from config.load import ROOT
from tasks.platforms.sandbox import prefect_processes

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


class Worker:
    """The worker of a deployed machine, whose environment is that of its runs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.own = variables(self.process.pid)
        command = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        self.words = command.decode().split("\0")[:-1]

    @property
    def process(self) -> Process:
        [found] = prefect_processes.running(self.home, "worker")
        return found

    def restart(self, **more: str) -> None:
        """Start it anew, with these variables beside its own."""
        prefect_processes.stop(prefect_processes.running(self.home, "worker"))
        with (self.home / "worker.log").open("ab") as log:
            subprocess.Popen(
                self.words, cwd=ROOT, env={**self.own, **more}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip


@dataclass(frozen=True)
class Server:
    """One deployment on it, and its runs."""

    api: httpx.Client
    deployment: str
    worker: "Worker"

    @property
    def pages(self) -> str:
        return str(self.api.base_url).removesuffix("/api/")

    def start(self, **parameters: Any) -> str:
        """The id of a new run."""
        answer = self.api.post(
            f"/deployments/{self.deployment}/create_flow_run",
            json={"parameters": parameters, "state": {"type": "SCHEDULED"}},
        )
        return str(answer.raise_for_status().json()["id"])

    def run(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/flow_runs/{identity}").raise_for_status().json()
        return found

    def newest(self) -> dict[str, Any]:
        [run] = self._runs(limit=1, sort="EXPECTED_START_TIME_DESC")
        return run

    def running(self) -> int:
        return len(self._runs(flow_runs={"state": {"type": {"any_": ["RUNNING"]}}}))

    def artifacts(self, identity: str) -> list[dict[str, Any]]:
        body = {"flow_runs": {"id": {"any_": [identity]}}}
        found: list[dict[str, Any]] = (
            self.api.post("/artifacts/filter", json=body).raise_for_status().json()
        )
        return found

    def cancel(self, identity: str) -> None:
        state = {"type": "CANCELLED", "name": "Cancelled"}
        body = {"state": state, "force": True}
        self.api.post(f"/flow_runs/{identity}/set_state", json=body).raise_for_status()

    def wait(
        self, identity: str, done: Callable[[dict[str, Any]], bool], within_s: float = 180
    ) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while not done(found := self.run(identity)):
            assert time.monotonic() < deadline, f"still {found['state_name']}"
            time.sleep(0.3)
        return found

    def _runs(self, **body: Any) -> list[dict[str, Any]]:
        body |= {"deployments": {"id": {"any_": [self.deployment]}}}
        found: list[dict[str, Any]] = (
            self.api.post("/flow_runs/filter", json=body).raise_for_status().json()
        )
        return found


def until(done: Callable[[], bool], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
