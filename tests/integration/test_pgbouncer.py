"""A pgbouncer of somebody else's in front of PostgreSQL: it gives sessions, or is refused."""

import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.core.site import Site
from tasks.probes.connections.databases import postgres as connections
from tasks.probes.engine import ask_all
from tests.integration.test_postgres_as_found import EVERY, bare_server, deploy, given, said
from tests.ports import free_ports
from tests.serving import serving

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
user = nobody
pool_mode = {mode}
{more}
"""


@pytest.fixture(scope="module")
def server(module_sandbox_site: Any) -> Site:
    """Dify's role and databases are there."""
    made = bare_server(module_sandbox_site("pooled"))
    deploy(given(made))
    return made


@contextmanager
def pgbouncer(folder: Path, server: Site, mode: str, more: str = "") -> Generator[int]:
    """Its port."""
    folder = folder / mode
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    users = {"dbuser_dify": EVERY, "boss": "boss"}
    quoted = (
        f'"{user}" "{password.replace(chr(34), chr(34) * 2)}"' for user, password in users.items()
    )
    (folder / "users").write_text("\n".join(quoted) + "\n")
    place = {"server": server.environment.postgres.port, "folder": folder, "mode": mode}
    (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(**place, port=port, more=more))
    subprocess.run(["chown", "-R", "nobody", folder], check=True)
    with serving(["pgbouncer", folder / "pgbouncer.ini"], stderr=subprocess.DEVNULL):
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port


@pytest.fixture
def folder() -> Generator[Path]:
    """One that others than root can enter."""
    made = Path(f"/tmp/rollout-pgbouncer-{free_ports(1)[0]}")
    made.mkdir(mode=0o755)
    yield made
    shutil.rmtree(made)


OPTIONS = "ignore_startup_parameters = options"


def test_one_in_transaction_mode_is_refused_by_plan_and_check(server: Site, folder: Path) -> None:
    with pgbouncer(folder, server, "transaction", OPTIONS) as port:
        for site in (given(server, port=port), given(server, port=port, admin="")):
            cause, advice = said(site)
            assert cause.endswith("is behind a pooler that gives each transaction another session")
            assert "PostgreSQL's own port" in advice and "pool_mode = session" in advice
            found = {
                finding.said: finding.advice for finding in ask_all(connections(site), patience=1)
            }
            assert found[cause] == advice


def test_one_that_does_not_take_what_dify_starts_with_is_refused(
    server: Site, folder: Path
) -> None:
    with pgbouncer(folder, server, "session") as port:
        cause, advice = said(given(server, port=port))
        assert "is behind a pooler: unsupported startup parameter: options" in cause
        assert "ignore_startup_parameters = options" in advice


def test_one_in_session_mode_is_as_good_as_the_server(server: Site, folder: Path) -> None:
    with pgbouncer(folder, server, "session", OPTIONS) as port:
        assert deploy(given(server, port=port)) == []
