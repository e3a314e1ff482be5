"""A server as its unit starts it, behind TLS, and a worker, for a checkout of ten environments."""

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from config.load import ROOT
from tests.api_login import Login
from tests.integration import prefect_server
from tests.ports import free_ports
from tests.serving import serving

NAME, PASSWORD = "ada", "correct-horse"
LOGIN = f"{NAME}:{PASSWORD}"
TEN = [f"team{number}" for number in range(10)]
AT_ONCE = 3
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Team:
    """The server, and a checkout whose commands know where it is."""

    url: str
    checkout: Path
    api: httpx.Client
    authority: Path

    def variables(self, login: str) -> dict[str, str]:
        known = {"PREFECT_API_AUTH_STRING": login} if login else {}
        return {
            **os.environ,
            **known,
            "PREFECT_API_URL": self.url,
            "PREFECT_API_SSL_CERT_FILE": str(self.authority),
            "PREFECT_HOME": str(self.checkout / "prefect-client"),
            "PYTHONPATH": str(self.checkout),
        }

    def rollout(self, *words: str, login: str = LOGIN) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *words],
            cwd=self.checkout,
            env=self.variables(login),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def ask(self, path: str, **body: Any) -> Any:
        return self.api.post(path, json=body).raise_for_status().json()

    def states(self) -> list[tuple[str, str]]:
        """Environment and state of each run."""
        runs = self.ask("/flow_runs/filter")
        return [(run["parameters"]["environment"], run["state_type"]) for run in runs]


def checkout_of_ten(folder: Path) -> Path:
    floors = ("config", "clients", "blocks", "tasks", "flows", "cli")
    for name in (*floors, "docs", "prefect.yaml", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    text = (folder / "config" / "environments" / "sandbox.toml").read_text()
    for name in TEN:
        file = folder / "config" / "environments" / f"{name}.toml"
        own = text.replace('"dify.test"', f'"{name}.test"').replace("dify-sandbox", f"dify-{name}")
        port = 20000 + 10 * TEN.index(name)
        own = own.replace("15432", str(port)).replace("16379", str(port + 1))
        file.write_text(f'{own}\n[sandbox]\nhome = ".{name}"\n')
    deploy_only(folder / "prefect.yaml")
    return folder


def deploy_only(file: Path) -> None:
    """The other flows would only cost time, and their schedules start by themselves."""
    yaml = YAML()
    document = yaml.load(file)
    document["deployments"] = [
        found for found in document["deployments"] if found["entrypoint"].endswith(":deploy")
    ]
    yaml.dump(document, file)


@pytest.fixture(scope="module")
def team(
    tmp_path_factory: pytest.TempPathFactory, server_database: dict[str, str]
) -> Generator[Team]:
    folder, [port] = tmp_path_factory.mktemp("server"), free_ports(1)
    checkout = checkout_of_ten(tmp_path_factory.mktemp("checkout"))
    as_a_unit = {**of_the_unit(), **server_database, "PREFECT_SERVER_API_AUTH_STRING": LOGIN}
    with prefect_server.server(folder, port, **as_a_unit), portal(folder, port) as (url, authority):
        trust = ssl.create_default_context(cafile=str(authority))
        login = Login(url, LOGIN)
        with httpx.Client(base_url=url, auth=login, verify=trust, timeout=30) as api:
            yield Team(url, checkout, api, authority)


def of_the_unit() -> dict[str, str]:
    """The settings that the server's systemd unit gives it."""
    lines = (ROOT / "docs" / "systemd" / "prefect-server.service").read_text().splitlines()
    given = [line.partition("=")[2] for line in lines if line.startswith("Environment=")]
    return dict(each.split("=", 1) for each in given)


PORTAL = """
daemon off; pid nginx.pid; error_log stderr; events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{own} ssl;
        ssl_certificate own.crt; ssl_certificate_key own.key;
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_set_header Host $http_host;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""


@contextmanager
def portal(folder: Path, port: int) -> Generator[tuple[str, Path]]:
    """The API behind an nginx as Pigsty configures one, and its certificate."""
    [own] = free_ports(1)
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-keyout", "own.key", "-out", "own.crt", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"]  # fmt: skip
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    (folder / "nginx.conf").write_text(PORTAL.format(own=own, port=port))
    with serving(["nginx", "-p", str(folder), "-c", "nginx.conf"]):
        yield f"https://localhost:{own}/api", folder / "own.crt"


@pytest.mark.parametrize(
    ("words", "login", "sentence"),
    [
        (["deploy", "sandbox", "--only", "hosts"], "", "asks for a login; expected "),
        (["health", "sandbox"], "ada:wrong", "refuses the name and password of "),
        (["server", "setup", "--dry-run"], "ada:wrong", "refuses the name and password of "),
    ],
)
def test_without_the_password_there_is_one_sentence(
    team: Team, words: list[str], login: str, sentence: str
) -> None:
    done = team.rollout(*words, login=login)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"error: the Prefect server at {team.url} {sentence}")


@pytest.fixture(scope="module")
def working(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    """Everything set up, and the pid of a worker as its unit starts it."""
    done = team.rollout("server", "setup")
    assert done.returncode == 0, done.stderr
    limit = {"concurrency_limit": AT_ONCE}
    team.api.patch("/work_pools/dify-rollout", json=limit).raise_for_status()
    with (tmp_path_factory.mktemp("worker") / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "dify-rollout"],
            cwd=team.checkout, env=team.variables(LOGIN), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield worker.pid
    finally:
        worker.terminate()
        worker.wait(60)


@pytest.mark.long
def test_ten_environments_run_side_by_side_as_far_as_the_pool_allows(
    team: Team, working: int
) -> None:
    """One run each; that those of one environment wait for each other is another test's."""
    for name in TEN:
        found = team.api.get(f"/deployments/name/deploy/{name}").raise_for_status().json()
        parameters = {"dry_run": True, "only": ["hosts"]}
        team.ask(f"/deployments/{found['id']}/create_flow_run", parameters=parameters)
    most = 0
    deadline = time.monotonic() + 240
    while not {state for _, state in team.states()} <= ENDED:
        assert time.monotonic() < deadline, team.states()
        running = [name for name, state in team.states() if state == "RUNNING"]
        assert len(running) == len(set(running)) <= AT_ONCE
        most = max(most, len(running))
        time.sleep(0.3)
    assert most > 1
    assert sorted(team.states()) == sorted((name, "COMPLETED") for name in TEN)


def test_the_password_is_in_no_command_line(team: Team, working: int) -> None:
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert any(b"worker" in line and b"dify-rollout" in line for line in lines)
    assert not [line for line in lines if PASSWORD.encode() in line]
