"""One real sandbox, deployed cold through its own Prefect server, shared by the tests here."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from config.load import ROOT
from tests.api_login import Login
from tests.browser import chromium
from tests.e2e.prefect_server import Server, Worker
from tests.ports import free_ports
from tests.subnets import free_subnet

ROLLOUT = Path(sys.executable).parent / "rollout"


@dataclass(frozen=True)
class Machine:
    """A sandbox of its own on this machine: its directory and the variables that select it."""

    home: Path
    variables: Mapping[str, str]

    def rollout(
        self, *words: str, check: bool = True, stdin: str = "", timeout_s: float = 900, **more: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(ROLLOUT), *words],
            cwd=ROOT,
            env={**os.environ, **self.variables, **more},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            input=stdin,
        )
        if check and done.returncode != 0:
            pytest.fail(f"rollout {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *words: str, **more: str) -> dict[str, Any]:
        done = self.rollout(*words, "--json", check=False, **more)
        if not done.stdout:
            pytest.fail(f"rollout {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    def secret(self, name: str) -> str:
        return self.rollout("secrets", "sandbox", name).stdout.strip()

    def database(self, *, autocommit: bool = False) -> "psycopg.Connection[Any]":
        """A connection to Dify's database, as Dify has it."""
        return psycopg.connect(
            host="127.0.0.1",
            port=int(self.variables["ROLLOUT__POSTGRES__PORT"]),
            user="dbuser_dify",
            password=self.secret("postgres_password"),
            dbname="dify",
            autocommit=autocommit,
        )

    def remove(self, service: str) -> None:
        """Its container is gone, whichever colour that was."""
        for name in (service, f"{service}-green"):
            words = ["docker", "rm", "--force", f"{self.project}-{name}-1"]
            subprocess.run(words, check=False, capture_output=True)

    @property
    def project(self) -> str:
        return self.variables["ROLLOUT__DIFY__PROJECT"]

    @property
    def domain(self) -> str:
        return self.variables["ROLLOUT__PORTAL__DOMAIN"]

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.variables['ROLLOUT__SANDBOX__PREFECT_PORT']}/api"

    @property
    def login(self) -> str:
        """NAME:PASSWORD of the Prefect server."""
        return (self.home / "sandbox" / "prefect" / "login").read_text().strip()

    @property
    def client(self) -> dict[str, str]:
        """The variables with which somebody else uses the Prefect server of this machine."""
        return {"PREFECT_API_URL": self.api_url, "PREFECT_API_AUTH_STRING": self.login}

    def api(self) -> httpx.Client:
        """Prefect's API as somebody uses it who is logged in."""
        return httpx.Client(base_url=self.api_url, auth=Login(self.api_url, self.login), timeout=30)


def machine(name: str, **more: str) -> Machine:
    """Another sandbox beside any that runs here: own directory, ports, network, domain."""
    home = Path(tempfile.mkdtemp(prefix=f"rollout-{name}-"))
    dify, postgres, redis, http, https, prefect = free_ports(6)
    variables = {
        "ROLLOUT__SANDBOX__HOME": str(home / "sandbox"),
        "ROLLOUT__SANDBOX__PREFECT_PORT": str(prefect),
        "ROLLOUT__DIFY__PROJECT": f"dify-{name}",
        "ROLLOUT__DIFY__SUBNET": free_subnet(),
        "ROLLOUT__DIFY__PORT": str(dify),
        "ROLLOUT__POSTGRES__PORT": str(postgres),
        "ROLLOUT__REDIS__PORT": str(redis),
        "ROLLOUT__PORTAL__HTTP_PORT": str(http),
        "ROLLOUT__PORTAL__HTTPS_PORT": str(https),
        "ROLLOUT__PORTAL__DOMAIN": f"{name}.test",
        "PREFECT_HOME": str(home / "prefect-client"),
        **more,
    }
    return Machine(home, variables)


@pytest.fixture(scope="session")
def cold() -> Generator[tuple[Machine, subprocess.CompletedProcess[str]]]:
    """A machine on which `rollout sandbox` ran once, and what it printed."""
    made = machine("-".join(["e2e", *filter(None, [os.environ.get("PYTEST_XDIST_WORKER")])]))
    try:
        yield made, made.rollout("sandbox", "sandbox")
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


@pytest.fixture(scope="session")
def deployed(cold: tuple[Machine, subprocess.CompletedProcess[str]]) -> Machine:
    return cold[0]


@pytest.fixture(scope="session")
def new_machine() -> Callable[..., Machine]:
    return machine


@pytest.fixture
def logged_in(deployed: Machine) -> Callable[[BrowserContext], Page]:
    """Opens a page of a browser that knows the login of the Prefect server already."""

    def opened(context: BrowserContext) -> Page:
        login = base64.b64encode(deployed.login.encode()).decode()
        context.add_init_script(f"localStorage.setItem('prefect-password', '{login}')")
        return context.new_page()

    return opened


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A browser for one module."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: with `ROLLOUT_PICTURES=docs/images` they become those of the docs."""
    return Path(os.environ.get("ROLLOUT_PICTURES") or tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def server(deployed: Machine) -> Generator[Server]:
    """The server of the deployed machine, and its deployment of the deploy flow."""
    deployed.rollout("deploy", "sandbox")
    with deployed.api() as api:
        found = api.get("/deployments/name/deploy/sandbox").raise_for_status().json()
        worker = Worker(deployed.home / "sandbox" / "prefect")
        yield Server(api, found["id"], worker)
        worker.restart()
    deployed.rollout("deploy", "sandbox")
