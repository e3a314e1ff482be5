"""Measures a changed setting under load, three ways: `uv run python -m bench.switch`.

A sandbox of its own, of stand-ins. The same change of LOG_LEVEL is made by `rollout deploy`, by
`docker compose up -d` alone, and as docker-rollout does it: each service is scaled to two, the new
container is waited for, the old one removed. Users ask the stack's nginx all the while.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from clients.docker import Docker
from clients.docker_engine import DockerUnusable
from config.environment import Environment
from config.load import ROOT, load_environment, load_release
from tasks.core.site import Site
from tasks.steps.docker import compose_prefix
from tests.ports import free_ports
from tests.subnets import free_subnet

ROLLOUT = str(Path(sys.executable).parent / "rollout")
USERS, BEFORE_S, LEAST = 200, 20.0, 10_000
PATHS = ("/console/api/setup", "/install")
SERVICES = ("api", "worker", "web")


def given() -> dict[str, str]:
    """The environment's keys that make this sandbox one of its own."""
    stack, postgres, redis, http, https = map(str, free_ports(5))
    return {
        "ROLLOUT__SANDBOX__HOME": "/var/lib/dify-rollout/bench-switch",
        "ROLLOUT__DIFY__PROJECT": "dify-bench-switch",
        "ROLLOUT__DIFY__SUBNET": free_subnet(),
        "ROLLOUT__DIFY__PORT": stack,
        "ROLLOUT__POSTGRES__PORT": postgres,
        "ROLLOUT__REDIS__PORT": redis,
        "ROLLOUT__PORTAL__HTTP_PORT": http,
        "ROLLOUT__PORTAL__HTTPS_PORT": https,
        "ROLLOUT__PORTAL__DOMAIN": "bench.test",
        "ROLLOUT__IMAGES__SOURCE": "rehearsal",
    }


def run(words: list[str]) -> None:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")


def deploy(level: str) -> None:
    os.environ["ROLLOUT__DIFY__LOG_LEVEL"] = level
    steps = ("settings", "migrate", "compose", "portal")
    run([ROLLOUT, "deploy", "sandbox", *(word for step in steps for word in ("--only", step))])


class Peers:
    """What people do without this project, on the files that it wrote."""

    def __init__(self, environment: Environment, prefix: tuple[str, ...]) -> None:
        self.home, self.docker = environment.dify.home, Docker()
        self.project = environment.dify.project
        file = str(self.home / "compose.yaml")
        self.compose = [*prefix, "--project-directory", str(self.home), "--file", file]

    def edit(self, level: str) -> None:
        path = self.home / ".env"
        path.write_text(
            re.sub("^LOG_LEVEL=.*$", f"LOG_LEVEL={level}", path.read_text(), flags=re.M)
        )

    def up(self, level: str) -> None:
        self.edit(level)
        run([*self.compose, "up", "--detach", "--wait"])

    def scale(self, level: str) -> None:
        self.edit(level)
        names = set(re.findall(r"^  ([a-z_-]+):$", (self.home / "compose.yaml").read_text(), re.M))
        for name in (each for each in sorted(names) if each.removesuffix("-green") in SERVICES):
            old = self._of(name)
            words = ["up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale"]
            run([*self.compose, *words, f"{name}=2", name])
            for each in old:
                self.docker.stop(each)
                self.docker.remove(each)

    def _of(self, name: str) -> list[str]:
        return [c.id for c in self.docker.containers(self.project) if c.defined == name]


def measured(environment: Environment, change: Callable[[], None]) -> dict[str, Any]:
    """What users and memory say of a change."""
    address = f"http://127.0.0.1:{environment.dify.port}"
    words = [sys.executable, "-m", "bench.load", address, str(USERS), *PATHS]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        used, over = list[int](), threading.Event()
        watching = threading.Thread(target=_memory, args=(environment, used, over))
        watching.start()
        time.sleep(BEFORE_S)
        before, began = max(used), time.time()
        change()
        seconds = time.time() - began
        # As many requests are counted however quick the change was.
        time.sleep(max(5.0, LEAST / (USERS / 1.5) - BEFORE_S - seconds))
        over.set()
        rows = json.loads(load.communicate()[0])
        watching.join()
    during = [row for row in rows if began <= row[0] <= began + seconds + 5]
    bad = [row for row in rows if row[2] != "200"]
    return {
        "requests": len(rows),
        "failed": len(bad),
        "how": dict(Counter(row[2] for row in bad)),
        "failing_s": round(max(r[0] for r in bad) - min(r[0] for r in bad), 1) if bad else 0,
        "seconds": round(seconds, 1),
        "p99_before_ms": _p99([row for row in rows if row[0] < began]),
        "p99_during_ms": _p99(during),
        "memory_before_mb": before >> 20,
        "memory_most_mb": max(used) >> 20,
        "load": round(os.getloadavg()[0], 1),
    }


def _memory(environment: Environment, used: list[int], over: threading.Event) -> None:
    docker = Docker()
    while not over.is_set():
        found = docker.running(environment.dify.project)
        with suppress(DockerUnusable):  # one has ended meanwhile
            used.append(sum(docker.memory(one.id) for one in found))
        time.sleep(1)


def _p99(rows: list[Any]) -> int:
    seconds = sorted(row[1] for row in rows)
    return round(1000 * seconds[int(0.99 * len(seconds))]) if seconds else 0


def main() -> None:
    os.environ |= given()
    environment = load_environment("sandbox")
    prefix = compose_prefix(Site(environment, load_release(environment.dify.release), {}).node)
    run([ROLLOUT, "deploy", "sandbox"])
    peers = Peers(environment, prefix)
    try:
        ways: dict[str, Callable[[], None]] = {
            "rollout deploy": lambda: deploy("DEBUG"),
            "docker compose up -d": lambda: peers.up("WARNING"),
            "scale up, wait, remove": lambda: peers.scale("ERROR"),
        }
        result = {name: measured(environment, change) for name, change in ways.items()}
        print(json.dumps(result, indent=2))
    finally:
        run([ROLLOUT, "down", "sandbox", "--purge", "--yes"])
        shutil.rmtree(environment.sandbox.home, ignore_errors=True)


if __name__ == "__main__":
    main()
