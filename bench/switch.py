"""Measures changes under load, beside what people do without this project.

`uv run python -m bench.switch` makes a sandbox of its own, of stand-ins; it takes fourteen minutes.
200 users ask the stack's nginx all the while: short requests, uploads, streams of 1 to 60 s, web
sockets. `rollout deploy` changes a setting, an image and the routes (nginx is reloaded twice in a
row then), and new containers are gone back from. The same change of the setting is made by `docker
compose up -d` alone, and as docker-rollout does it: each service is scaled to two, the new one is
waited for, the old one removed.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.sandbox import App, Sandbox, given
from bench.watching import Watching
from clients.docker import Docker
from config.load import ROOT
from tests.ports import free_ports

USERS, BEFORE_S, AFTER_S, LEAST = 200, 20.0, 6.0, 10_000
COMING_S = 5.0  # users come, all at once
# Users pause for a second, and get their answer in some milliseconds.
EACH_S = 1.5
PATHS = ("/console/api/setup", "/install")
SERVICES = ("api", "api_websocket", "worker", "web")


class Peers:
    """What people do without this project, on the files that it wrote."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.home, self.docker = sandbox.environment.dify.home, Docker()
        self.project, self.run = sandbox.environment.dify.project, sandbox.run
        file = str(self.home / "compose.yaml")
        self.compose = [*sandbox.prefix, "--project-directory", str(self.home), "--file", file]

    def edit(self, level: str) -> None:
        path = self.home / ".env"
        path.write_text(
            re.sub("^LOG_LEVEL=.*$", f"LOG_LEVEL={level}", path.read_text(), flags=re.M)
        )

    def up(self, level: str) -> None:
        self.edit(level)
        self.run([*self.compose, "up", "--detach", "--wait"])

    def scale(self, level: str) -> None:
        self.edit(level)
        names = set(re.findall(r"^  ([a-z_-]+):$", (self.home / "compose.yaml").read_text(), re.M))
        for name in (each for each in sorted(names) if each.removesuffix("-green") in SERVICES):
            old = self._of(name)
            words = ["up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale"]
            self.run([*self.compose, *words, f"{name}=2", name])
            for each in old:
                self.docker.stop(each)
                self.docker.remove(each)

    def _of(self, name: str) -> list[str]:
        return [c.id for c in self.docker.containers(self.project) if c.defined == name]


def measured(
    sandbox: Sandbox, app: App, change: Callable[[], object], least: int
) -> dict[str, Any]:
    """What users, memory and nginx say of a change; so many requests at least."""
    words = [sys.executable, "-m", "bench.load", sandbox.address, str(USERS), *PATHS]
    kept = app.runs()
    with (
        subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, "BENCH_KEY": app.key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as load,
        Watching(sandbox.environment) as watching,
    ):
        time.sleep(BEFORE_S)
        before, began = watching.most, time.time()
        change()
        seconds = time.time() - began
        time.sleep(AFTER_S)
        assert load.stdin
        print(file=load.stdin, flush=True)
        time.sleep(max(0.0, least / (USERS / EACH_S) - BEFORE_S - seconds - AFTER_S))
        most = watching.most
        rows = json.loads(load.communicate()[0])
    found = summary(rows, began, began + seconds)
    streamed = found["streams"] - found["streams_cut"]
    return {
        **found,
        "runs_lost_or_doubled": abs(app.runs() - kept - streamed),
        "seconds": round(seconds, 1),
        "switch_s": watching.switch_s,
        "memory_before_mb": before >> 20,
        "memory_most_mb": most >> 20,
        "load": round(os.getloadavg()[0], 1),
    }


def summary(rows: list[Any], began: float, ended: float) -> dict[str, Any]:
    """Of [when it ended, seconds, status, kind] of each request; p99 are of the short ones."""
    bad = [row for row in rows if row[2] != "200"]
    short = [row for row in rows if row[3] == "short"]
    anew = [row for row in rows if row[2:] == ["200", "socket"] and row[0] >= began]
    return {
        "requests": len(rows),
        "failed": len(bad),
        "how": dict(Counter(f"{row[3]}: {row[2]}" for row in bad)),
        "failing_s": round(max(r[0] for r in bad) - min(r[0] for r in bad), 1) if bad else 0,
        "uploads": sum(row[3] == "upload" for row in rows),
        "streams": sum(row[3] == "stream" for row in rows),
        "streams_cut": sum(row[3] == "stream" for row in bad),
        "packets": sum(row[3] == "packet" for row in rows),
        "sockets_opened_anew": len(anew),
        "anew_within_ms": round(1000 * max((row[1] for row in anew), default=0)),
        "p99_before_ms": _p99(
            [row for row in short if began - BEFORE_S + COMING_S < row[0] < began]
        ),
        "p99_during_ms": _p99([row for row in short if began <= row[0] <= ended + 5]),
    }


def _p99(rows: list[Any]) -> int:
    seconds = sorted(row[1] for row in rows)
    return round(1000 * seconds[int(0.99 * len(seconds))]) if seconds else 0


def back(sandbox: Sandbox) -> None:
    """New containers are led to, and gone back from while they are watched."""
    os.environ["ROLLOUT__SWITCH__WATCH_S"] = "300"
    moved = sandbox.routes.stat().st_mtime
    deploy = sandbox.deploying(LOG_LEVEL="ERROR")
    while sandbox.routes.stat().st_mtime == moved and deploy.poll() is None:
        time.sleep(0.05)
    time.sleep(5)
    deploy.send_signal(signal.SIGTERM)
    deploy.wait()
    del os.environ["ROLLOUT__SWITCH__WATCH_S"]
    sandbox.rollout("switch", "sandbox", "--back")


def routes(sandbox: Sandbox) -> None:
    sandbox.deploy(BODY_SIZE_MB="77")
    sandbox.reload_twice()


def ways(sandbox: Sandbox) -> dict[str, tuple[Callable[[], object], int]]:
    """What is measured, in this order, and how many requests at least."""
    peers = Peers(sandbox)
    return {
        "a setting, rollout deploy": (lambda: sandbox.deploy(LOG_LEVEL="DEBUG"), LEAST),
        "an image, rollout deploy": (sandbox.another_image, LEAST),
        "routes, rollout deploy, nginx reloaded twice": (lambda: routes(sandbox), LEAST),
        "there and back": (lambda: back(sandbox), 0),
        "a setting, docker compose up -d": (lambda: peers.up("WARNING"), 0),
        "a setting; scale up, wait, remove": (lambda: peers.scale("INFO"), 0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], help="one of these, by its name")
    asked = parser.parse_args()
    began = time.monotonic()
    os.environ |= given(free_ports(5))
    sandbox = Sandbox()
    sandbox.rollout("deploy", "sandbox")
    try:
        app = App(sandbox)
        for name, (change, least) in ways(sandbox).items():
            if not asked.only or name in asked.only:
                found = measured(sandbox, app, change, least)
                print(json.dumps({name: found}, indent=2), flush=True)
    finally:
        sandbox.rollout("down", "sandbox", "--purge", "--yes")
        shutil.rmtree(Path(sandbox.environment.sandbox.home), ignore_errors=True)
    print(f"{time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
