"""The sandbox's own Prefect server and worker, on the sandbox's PostgreSQL."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from clients.command import PATIENCE, Command, Secret
from clients.processes import Process, process, variables
from clients.variables import given
from clients.waiting import until
from config.environment import Environment
from config.errors import StepError
from config.load import ROOT
from config.rules.spellings import hidden
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.sandbox import prefect_processes as daemons
from tasks.platforms.sandbox.daemons import require_free
from tasks.platforms.sandbox.prefect_secrets import known_login, prefect_home

POOL = "dify-rollout"
START_S, ASK_S = 180.0, 5.0
LAST_LINES = 5
HOST = "127.0.0.1"

Variables = tuple[tuple[str, str | Secret], ...]


def api_url(environment: Environment) -> str:
    return f"http://{HOST}:{environment.sandbox.prefect_port}/api"


def own_server(environment: Environment) -> tuple[str, str] | None:
    """Address and login of the sandbox's own server, None if it does not run or is not ours."""
    login = known_login(environment)
    port = environment.sandbox.prefect_port
    if login is None or daemons.listener(prefect_home(environment), port) is None:
        return None
    return api_url(environment), login.get_secret_value()


@dataclass(frozen=True, slots=True)
class PrefectDaemons:
    """A Prefect server answering on its port to who has the login, and one process worker."""

    site: Site
    database_password: SecretStr
    login: SecretStr
    name: str = "prefect"
    settle_s: float = START_S

    def observe(self) -> dict[str, str]:
        """State of server and worker: running, not running, or what is wrong with it."""
        port = self.site.environment.sandbox.prefect_port
        server = daemons.listener(self._home, port)
        workers = daemons.running(self._home, "worker")
        return {
            "server": self._state([server] if server else [], self._of_server()),
            "worker": self._state(workers, self._of_client()),
        }

    def plan(self, actual: dict[str, str]) -> list[Change]:
        return [
            Change(
                Kind.START,
                f"Prefect {name}",
                f"start the Prefect {name}",
                state,
                "running",
                action=name,
            )
            for name, state in actual.items()
            if state != "running"
        ]

    def apply(self, change: Change) -> None:
        daemons.stop(daemons.running(self._home, change.action))
        if change.action == "worker":
            self._start("worker", ("--pool", POOL, "--type", "process"), self._of_client())
            return
        port = self.site.environment.sandbox.prefect_port
        require_free("prefect", [HOST], port)
        pid = self._start("server", ("--host", HOST, "--port", str(port)), self._of_server())
        self._await_answer(pid)

    @property
    def _home(self) -> Path:
        return prefect_home(self.site.environment)

    def _state(self, found: list[Process], wanted: Variables) -> str:
        if not found:
            return "not running"
        if len(found) > 1:
            return "started twice"
        have = variables(found[0].pid)
        same = all(have.get(name) == _clear(value) for name, value in wanted)
        return "running" if same else "started with other settings"

    def _start(self, name: str, options: tuple[str, ...], env: Variables) -> int:
        prefect = str(Path(sys.executable).parent / "prefect")
        # Runs of the worker may take secrets from any variable; a server only connects by its own.
        ours = given() if name == "worker" else os.environ
        words = (prefect, name, "start", *options)
        command = Command(words, cwd=str(ROOT), env=(*ours.items(), *env))
        return self.site.node.spawn(command, self._home / f"{name}.log")

    def _await_answer(self, pid: int) -> None:
        url = api_url(self.site.environment)
        within_s = self.site.within(START_S)
        until(
            lambda: _answers(url) or process(pid) is None,
            within_s=within_s,
            every_s=0.2,
            waiting=f"prefect: waiting for the server to answer on {url}",
        )
        if not _answers(url):
            log = self._home / "server.log"
            what = (
                f"the server does not answer on {url} after {within_s:g} s"
                if process(pid)
                else "the server ended as soon as it was started"
            )
            raise StepError(
                "prefect",
                "\n".join([what, *self._last_lines(log)]),
                advice=f"read {log}, or raise {PATIENCE}",
            )

    def _last_lines(self, log: Path) -> list[str]:
        """What the server wrote last, without its secrets; nothing where it wrote nothing."""
        try:
            lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            return []
        secrets = [each.get_secret_value() for each in (self.login, self.database_password)]
        return [hidden(line, secrets) for line in lines]

    def _of_client(self) -> Variables:
        return (
            ("PREFECT_HOME", str(self._home)),
            ("PREFECT_API_URL", api_url(self.site.environment)),
            ("PREFECT_API_AUTH_STRING", Secret(self.login.get_secret_value())),
        )

    def _of_server(self) -> Variables:
        password = quote(self.database_password.get_secret_value(), safe="")
        port = self.site.environment.postgres.port
        url = f"postgresql+asyncpg://prefect:{password}@{HOST}:{port}/prefect"
        return (
            ("PREFECT_HOME", str(self._home)),
            ("PREFECT_API_URL", api_url(self.site.environment)),
            ("PREFECT_API_DATABASE_CONNECTION_URL", Secret(url)),
            ("PREFECT_SERVER_API_AUTH_STRING", Secret(self.login.get_secret_value())),
            ("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", "true"),
            ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", _origin(self.site.environment)),
            # The pages call the address they came from, be it a forwarded port or localhost.
            ("PREFECT_UI_API_URL", "/api"),
            ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
            ("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
            # The one whose buttons the tests press; the newer one resumes from the menu of a run.
            ("PREFECT_SERVER_UI_V2_ENABLED", "false"),
        )


def prefect_steps(
    site: Site, database_password: SecretStr, login: SecretStr
) -> list[Step[dict[str, str]]]:
    return [PrefectDaemons(site, database_password, login)]


def stop(site: Site) -> None:
    """End worker and server, in this order."""
    for name in ("worker", "server"):
        daemons.stop(daemons.running(prefect_home(site.environment), name))


def _origin(environment: Environment) -> str:
    return api_url(environment).removesuffix("/api")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=ASK_S).is_success
    except httpx.HTTPError:
        return False


def _clear(value: str | Secret) -> str:
    return value if isinstance(value, str) else value.value
