"""The sandbox's own Prefect server and worker, on the sandbox's PostgreSQL."""

import os
import secrets as random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from clients.command import Command, Secret
from clients.files import File
from config.errors import StepError
from config.load import ROOT
from tasks.core.site import Site
from tasks.core.step import Change, Step

POOL = "dify-rollout"
START_S = 90.0
STOP_S = 15.0


def api_url(site: Site) -> str:
    return f"http://127.0.0.1:{site.environment.sandbox.prefect_port}/api"


def database_password(site: Site) -> SecretStr:
    """The password of the server's own role.

    It cannot lie in a block, which would need the server: a file 0600 keeps it.
    """
    path = _home(site) / "database-password"
    text = site.node.read(path)
    if text is None:
        text = random.token_urlsafe(24).encode()
        site.node.write(File(path, text, mode=0o600))
    return SecretStr(text.decode())


def is_up(url: str, timeout_s: float = 1.0) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=timeout_s).is_success
    except httpx.HTTPError:
        return False


@dataclass(frozen=True, slots=True)
class Running:
    """Which of the two daemons are up."""

    server: bool
    worker: bool


@dataclass(frozen=True, slots=True)
class PrefectDaemons:
    """A Prefect server answering on its port and one process worker polling it."""

    site: Site
    name: str = "prefect"
    settle_s: float = START_S

    def observe(self) -> Running:
        return Running(
            server=is_up(api_url(self.site)),
            worker=_alive(self.site, "worker"),
        )

    def plan(self, actual: Running) -> list[Change]:
        wanted = {"server": actual.server, "worker": actual.worker}
        return [
            Change(f"start the Prefect {name}", "not running", "running", action=name)
            for name, up in wanted.items()
            if not up
        ]

    def apply(self, change: Change) -> None:
        if change.action == "worker":
            self._start("worker", ("worker", "start", "--pool", POOL, "--type", "process"))
            return
        port = str(self.site.environment.sandbox.prefect_port)
        self._start("server", ("server", "start", "--host", "127.0.0.1", "--port", port))
        _wait(lambda: is_up(api_url(self.site)), START_S, self._trouble)

    def _start(self, name: str, words: tuple[str, ...]) -> None:
        home = _home(self.site)
        prefect = str(Path(sys.executable).parent / "prefect")
        command = Command((prefect, *words), cwd=str(ROOT), env=_environment(self.site))
        pid = self.site.node.spawn(command, home / f"{name}.log")
        self.site.node.write(File(_pidfile(self.site, name), str(pid).encode(), 0o600))

    def _trouble(self) -> StepError:
        log_file = _home(self.site) / "server.log"
        return StepError(
            "prefect",
            f"the server does not answer on {api_url(self.site)} after {START_S:g} s",
            advice=f"read {log_file}; is the port free?",
        )


def prefect_steps(site: Site) -> list[Step[Running]]:
    return [PrefectDaemons(site)]


def stop(site: Site) -> list[str]:
    """End worker and server, in this order; what was stopped."""
    stopped: list[str] = []
    for name in ("worker", "server"):
        if _alive(site, name):
            pid = _pid(site, name)
            os.killpg(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_S
            while _alive(site, name) and time.monotonic() < deadline:
                time.sleep(0.1)
            if _alive(site, name):
                os.killpg(pid, signal.SIGKILL)
            stopped.append(f"Prefect {name}")
        _pidfile(site, name).unlink(missing_ok=True)
    return stopped


def _environment(site: Site) -> tuple[tuple[str, str | Secret], ...]:
    password = database_password(site).get_secret_value()
    port = site.environment.postgres.port
    url = f"postgresql+asyncpg://prefect:{quote(password, safe='')}@127.0.0.1:{port}/prefect"
    return (
        ("PREFECT_HOME", str(_home(site))),
        ("PREFECT_API_URL", api_url(site)),
        ("PREFECT_API_DATABASE_CONNECTION_URL", Secret(url)),
        ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
        ("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        # The newer UI cannot resume a run that waits for approval.
        ("PREFECT_SERVER_UI_V2_ENABLED", "false"),
    )


def _home(site: Site) -> Path:
    return site.environment.sandbox.home / "prefect"


def _pidfile(site: Site, name: str) -> Path:
    return _home(site) / f"{name}.pid"


def _pid(site: Site, name: str) -> int:
    text = site.node.read(_pidfile(site, name))
    return int(text) if text and text.strip().isdigit() else 0


def _alive(site: Site, name: str) -> bool:
    """Whether the pid is still this daemon: after a reboot it may be anybody's."""
    command = site.node.read(Path(f"/proc/{_pid(site, name)}/cmdline")) or b""
    words = command.split(b"\0")
    return name.encode() in words and any(word.endswith(b"/prefect") for word in words)


def _wait(ready: Callable[[], bool], within_s: float, trouble: Callable[[], StepError]) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise trouble()
        time.sleep(0.2)
