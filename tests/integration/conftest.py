"""Private sandboxes for tests: own directory, own ports, nothing shared with one that runs here."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from config.environment import Environment
from config.load import load_environment, load_release
from config.secrets import generate
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox import postgres, redis
from tasks.platforms.sandbox.home import prepare_home, reachable_home
from tasks.steps.pgsql import prefect_database_steps
from tests.integration import prefect_server, sshd
from tests.integration.listener import Listener, listening
from tests.integration.sshd import SshServer
from tests.ports import free_ports

# Each process of a parallel run has its own.
_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
SUDOERS = Path(f"/etc/sudoers.d/dify-rollout-test{_PROCESS}")
USERS = {"worker": f"dify-rollout-test{_PROCESS}", "guest": f"dify-rollout-guest{_PROCESS}"}


class MakeSite(Protocol):
    def __call__(
        self, name: str = ..., *, secrets: Mapping[str, str] = ..., **sections: Mapping[str, Any]
    ) -> Site: ...


def _environment(home: Path, sections: Mapping[str, Mapping[str, Any]]) -> Environment:
    tree = load_environment("sandbox").model_dump()
    ports = free_ports(11)
    private: dict[str, dict[str, Any]] = {
        "sandbox": {"home": home, "prefect_port": ports[0]},
        "postgres": {"host": "127.0.0.1", "port": ports[1]},
        "redis": {"host": "127.0.0.1", "port": ports[2]},
        "portal": {"http_port": ports[3], "https_port": ports[4]},
        "dify": {
            "project": f"dify-test-{ports[5]}",
            "home": home / "stack",
            "data": home / "data",
            "port": ports[5],
            "direct_ports": dict(
                zip(("web", "api", "plugin", "websocket"), ports[6:10], strict=True)
            ),
        },
        "backup": {"drill": {"port": ports[10]}},
    }
    for layer in (private, sections):
        for section, values in layer.items():
            tree[section] = {**tree[section], **values}
    return Environment.model_validate(tree)


@contextmanager
def sandboxes(folder: Path) -> Generator[MakeSite]:
    """Makes sites of private sandboxes below the folder, and stops their servers at the end."""
    made: list[Site] = []

    def make(
        name: str = "home", *, secrets: Mapping[str, str] = {}, **sections: Mapping[str, Any]
    ) -> Site:
        environment = _environment(folder / name, sections)
        release = load_release(environment.dify.release)
        given = {key: SecretStr(value) for key, value in secrets.items()}
        site = Site(environment, release, generate(release, given))
        prepare_home(site)
        made.append(site)
        return site

    try:
        yield make
    finally:
        for site in made:
            for server in (postgres, redis):
                server.stop(site)
            if os.geteuid() == 0:
                with suppress(FileNotFoundError):
                    shutil.rmtree(reachable_home(site))


@pytest.fixture
def sandbox_site(tmp_path: Path) -> Generator[MakeSite]:
    """Makes sites of private sandboxes; stops their servers and deletes them at the end.

    `sandbox_site("a", redis={"max_memory_mb": 32}, secrets={"redis_password": "x"})`:
    `name` tells several apart, each section's keys override the environment's.
    Hosts are loopback unless given.
    """
    with sandboxes(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server for flows that run in this process; its URL."""
    folder, (port,) = tmp_path_factory.mktemp("prefect"), free_ports(1)
    with (
        prefect_server.server(folder, port) as url,
        temporary_settings({PREFECT_API_URL: url}),
    ):
        yield url


@pytest.fixture(scope="module")
def listener() -> Generator[Listener]:
    """A webhook that somebody is told by."""
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def module_sandbox_site(tmp_path_factory: pytest.TempPathFactory) -> Generator[MakeSite]:
    """The same, for a sandbox that a whole file of tests shares."""
    with sandboxes(tmp_path_factory.mktemp("sandbox")) as make:
        yield make


@pytest.fixture(scope="module")
def server_database(module_sandbox_site: MakeSite) -> dict[str, str]:
    """The variables of a Prefect server that has its data in PostgreSQL, as docs/server.md asks."""
    site, password = module_sandbox_site("server"), "of-the-server"
    for step in (
        *postgres.server_steps(site),
        *prefect_database_steps(site, SecretStr(password)),
    ):
        converge(step)
    where = f"127.0.0.1:{site.environment.postgres.port}"
    login = f"postgresql+asyncpg://prefect:{password}@{where}/prefect"
    return {"PREFECT_API_DATABASE_CONNECTION_URL": login}


@pytest.fixture(scope="session")
def os_users() -> Generator[Mapping[str, str]]:
    """Two OS users: one may become root by sudo, the other may not."""
    for user in USERS.values():
        subprocess.run(["userdel", "--remove", user], capture_output=True)  # of a killed run
        words = ["useradd", "--create-home", "--shell", "/bin/sh", "--password", "*", user]
        subprocess.run(words, check=True, capture_output=True)
    SUDOERS.write_text(f"{USERS['worker']} ALL=(ALL) NOPASSWD: ALL\n")
    SUDOERS.chmod(0o440)
    try:
        yield USERS
    finally:
        SUDOERS.unlink()
        for user in USERS.values():
            subprocess.run(["userdel", "--remove", user], check=True, capture_output=True)


@pytest.fixture(scope="session")
def ssh_server(os_users: Mapping[str, str]) -> Generator[SshServer]:
    """A real SSH server on loopback, and a client's configuration for it."""
    with tempfile.TemporaryDirectory(prefix="rollout-sshd-") as name:
        # It reads the keys a user is let in with as that user.
        Path(name).chmod(0o755)
        server = sshd.start(Path(name), free_ports(1)[0], os_users)
        try:
            yield server
        finally:
            server.stop()
