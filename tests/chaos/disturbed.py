"""A deployed sandbox whose commands are interrupted, and what is wrong with it before that."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from clients.processes import processes
from config.load import ROOT
from tests.chaos.moments import Moment
from tests.e2e.conftest import ROLLOUT, Machine


@dataclass
class Disturbed:
    """`point`: the one that is restored. `seconds`: what each operation took undisturbed."""

    machine: Machine
    folder: Path
    point: str = ""
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def words(self, operation: str) -> list[str]:
        return {
            "deploy": ["deploy", "sandbox"],
            "backup": ["backup", "sandbox"],
            "restore": ["restore", "sandbox", self.point, "--yes"],
            "drill": ["drill", "sandbox", self.point],
            "images": ["images", "bundle", "sandbox", str(self.folder / "bundle")],
        }[operation]

    def finish(self, operation: str) -> float:
        """Seconds that the command took to its good end."""
        began = time.monotonic()
        self.machine.rollout(*self.words(operation))
        return time.monotonic() - began

    def interrupt(self, moment: Moment) -> str:
        """What the command said until it ended at that moment."""
        log = self.folder / f"{moment.number}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [str(ROLLOUT), *self.words(moment.operation)],
                cwd=ROOT, env={**os.environ, **self.machine.variables},
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            )  # fmt: skip
        try:
            process.wait(moment.share * self.seconds[moment.operation])
        except subprocess.TimeoutExpired:
            process.send_signal(moment.signal)
        process.wait(120)
        return log.read_text(errors="replace")

    def damage(self, kind: str) -> None:
        if kind:
            self._damages[kind]()

    @property
    def stack(self) -> Path:
        return self.machine.home / "sandbox" / "stack"

    @property
    def _damages(self) -> dict[str, Callable[[], None]]:
        return {
            "web container removed": lambda: self._remove_containers("web"),
            "all containers removed": self._remove_containers,
            "compose file changed": lambda: _append(self.stack / "compose.yaml"),
            "settings changed": lambda: _append(self.stack / ".env"),
            "PostgreSQL stopped": lambda: self._end("postgres"),
            "Redis stopped": lambda: self._end("redis-server"),
            "portal stopped": lambda: self._end("nginx: master"),
        }

    def _remove_containers(self, service: str = "") -> None:
        label = f"com.docker.compose.project={self.machine.project}"
        engine: Any = docker.from_env()
        for each in engine.containers.list(all=True, filters={"label": label}):
            if service in ("", each.labels["com.docker.compose.service"]):
                each.remove(force=True)

    def _end(self, program: str) -> None:
        """Asked to end, as by somebody who stops it by hand."""
        ports = [self.machine.variables["ROLLOUT__POSTGRES__PORT"],
                 self.machine.variables["ROLLOUT__REDIS__PORT"]]  # fmt: skip
        for each in processes():
            ours = str(self.machine.home) in each.title or any(port in each.title for port in ports)
            if program in each.title and ours:
                subprocess.run(["kill", "-INT", str(each.pid)], check=False)
                _await_end(each.pid)


def _append(file: Path) -> None:
    with file.open("a") as stream:
        stream.write("# somebody was here\n")


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
