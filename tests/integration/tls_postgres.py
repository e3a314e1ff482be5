"""The distribution's PostgreSQL with a certificate of its own; its programs speak TLS, too."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.certificates import sign
from tests.ports import free_ports
from tests.serving import serving

PROGRAMS = Path("/usr/lib/postgresql")
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")


@contextmanager
def presenting(*names: str) -> Generator[tuple[int, Path, Path]]:
    """One whose certificate is for these names: its port, which takes TLS alone from everybody, and
    PEM files of the authority that signed it and of another one.
    """
    programs, folder = max(PROGRAMS.glob("*/bin")), Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        authority, other = sign("its own"), sign("another")
        signed, (port,) = sign("db", authority, *names), free_ports(1)
        files = {"ca.crt": authority.pem, "other.crt": other.pem, "server.crt": signed.pem}
        for name, content in (files | {"server.key": signed.key()}).items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
        subprocess.run(["chown", "-R", "postgres:", folder], check=True)
        subprocess.run(
            [*AS_POSTGRES, programs / "initdb", "--pgdata", folder / "data", "--auth-local=trust",
             "--username=postgres", "--no-sync"], check=True, capture_output=True,
        )  # fmt: skip
        (folder / "data/pg_hba.conf").write_text("local all all trust\nhostssl all all all trust\n")
        settings = {"port": str(port), "unix_socket_directories": str(folder), "ssl": "on",
                    "ssl_cert_file": f"{folder}/server.crt", "ssl_key_file": f"{folder}/server.key",
                    "fsync": "off"}  # fmt: skip
        words = [word for item in settings.items() for word in ("-c", "=".join(item))]
        program = [*AS_POSTGRES, programs / "postgres", "-D", folder / "data", *words]
        with serving(program, stderr=subprocess.DEVNULL):
            _wait(folder, port)
            yield port, folder / "ca.crt", folder / "other.crt"
    finally:
        shutil.rmtree(folder)


def made(folder: Path, port: int, role: str, *databases: str) -> None:
    """The role owns these databases there."""
    with psycopg.connect(host=str(folder), port=port, user="postgres", autocommit=True) as boss:
        boss.execute(f'CREATE ROLE "{role}" LOGIN')
        for database in databases:
            boss.execute(f'CREATE DATABASE "{database}" OWNER "{role}"')


def templated(folder: Path, port: int, *databases: str) -> None:
    """Each database has what Pigsty's template brings, which nobody else may read."""
    for name in databases:
        where = {"host": str(folder), "port": port, "user": "postgres", "dbname": name}
        with psycopg.connect(**where, autocommit=True) as boss:
            boss.execute("CREATE SCHEMA monitor CREATE TABLE heartbeat (n int)")
            boss.execute("CREATE FOREIGN DATA WRAPPER files")
            boss.execute("CREATE SERVER fs FOREIGN DATA WRAPPER files")


def _wait(folder: Path, port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host=str(folder), port=port, user="postgres").close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
