"""A PostgreSQL, a Redis and a portal of somebody else's; Dify's node is behind a jump host."""

import os
import signal
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Machine, free_ports
from tests.integration import sshd
from tests.pigsty.double.build import Double, build

NOBODY = {"worker": "nobody", "guest": "nobody"}
ADMIN = {"ROLLOUT__POSTGRES__ADMIN": "dbuser_dba"}
REDIS_PASSWORD = 'given "p@ss" $HOME %2F'
PORTAL = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_max_body_size 100m;
    {temporary}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        listen [::1]:{port};
        location / {{
            proxy_pass http://127.0.0.1:{stack};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Given:
    """An environment of platform external, and who has its servers."""

    machine: Machine
    servers: Double

    def sql(self, statement: str) -> None:
        """As the administrator of PostgreSQL."""
        psql = self.servers.folder / "pgsql/x/pginstall/bin/psql"
        words = (psql, "-qh", self.servers.path("/pg/run"), "-U", "postgres", "-c", statement)
        subprocess.run(words, check=True)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Double]:
    """PostgreSQL admits Dify's role, which it does not have; Redis wants a password."""
    double = build(tmp_path_factory.mktemp("given") / "tree")
    try:
        double.install()
        with double.path("/pg/data/pg_hba.conf").open("a") as rules:
            rules.write("host all dbuser_dify 0.0.0.0/0 scram-sha-256\n")
        os.kill(double.pid("postgres") or 0, signal.SIGHUP)
        (double.folder / "redis.conf").write_text(
            f"bind {double.addresses[0]}\nprotected-mode no\ndir {double.folder}\n"
            f"requirepass {REDIS_PASSWORD!r}\nmaxmemory-policy noeviction\n"
        )
        words = ("redis-server", str(double.folder / "redis.conf"), "--daemonize", "yes")
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        yield double
    finally:
        double.remove()


@pytest.fixture(scope="module")
def given(
    servers: Double,
    new_machine: Any,
    deployed: Machine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Given]:
    folder, address = tmp_path_factory.mktemp("node"), servers.addresses[0]
    server = sshd.start(folder, free_ports(1)[0], NOBODY)
    jump = folder / "jump"
    jump.write_text(f"Host behind\n    ProxyJump node\nMatch all\nInclude {server.config}\n")
    made: Machine = new_machine("external", "172.30.48.0/24", PREFECT_API_URL=deployed.api_url)
    chosen = {
        "ROLLOUT__PLATFORM__KIND": "external",
        "ROLLOUT__NODES__DIFY": '["behind"]',
        "ROLLOUT__NODES__SSH_CONFIG": str(jump),
        "ROLLOUT__POSTGRES__HOST": address,
        "ROLLOUT__POSTGRES__PORT": "5432",
        "ROLLOUT__REDIS__HOST": address,
        "ROLLOUT__REDIS__PORT": "6379",
        "ROLLOUT__IMAGES__SOURCE": "rehearsal",
        "ROLLOUT__PORTAL__DOMAIN": "localhost",
        "ROLLOUT__PORTAL__TLS": "false",
        "ROLLOUT__DIFY__HOME": str(made.home / "stack"),
        "ROLLOUT__DIFY__DATA": str(made.home / "data"),
        "ROLLOUT__PREFLIGHT__DISK_FREE_GB": "1",
        "ROLLOUT__PREFLIGHT__MEMORY_GB": "0.5",
    }
    site = Machine(made.home, {**made.variables, **chosen})
    portal = start_portal(site, folder)
    try:
        yield Given(site, servers)
    finally:
        site.rollout("down", "recipe", "--yes", check=False)
        portal.terminate()
        portal.wait(10)
        server.stop()


def start_portal(machine: Machine, folder: Path) -> subprocess.Popen[bytes]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    port = machine.variables["ROLLOUT__PORTAL__HTTP_PORT"]
    (folder / "nginx.conf").write_text(
        PORTAL.format(
            folder=folder,
            port=port,
            stack=machine.variables["ROLLOUT__DIFY__PORT"],
            temporary=" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
        )
    )
    words = ("/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"))
    return subprocess.Popen(words, stderr=subprocess.DEVNULL)


def failed(given: Given, *words: str, **more: Any) -> str:
    done = given.machine.rollout(*words, "recipe", check=False, **more)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr[done.stderr.index("error: ") :]


def test_what_is_missing_is_said_as_sql_and_which_secret_only_you_know(given: Given) -> None:
    assert "PostgreSQL refuses dbuser_dify@" in (said := failed(given, "deploy"))
    assert 'as administrator: CREATE ROLE "dbuser_dify" LOGIN' in said
    said = failed(given, "deploy", **ADMIN)
    assert "postgres_admin_password not given" in said
    assert "do: rollout secrets recipe postgres_admin_password --set" in said


def test_a_wrong_password_of_redis_is_one_sentence(given: Given) -> None:
    save(given, "postgres_admin_password", "DBUser.DBA", **ADMIN)
    said = failed(given, "deploy", **ADMIN)
    assert "redis_password --set" in said and REDIS_PASSWORD not in said


def test_an_administrator_is_all_a_deploy_needs(given: Given) -> None:
    save(given, "redis_password", REDIS_PASSWORD)
    done = given.machine.rollout("deploy", "recipe", **ADMIN)
    assert "checks passed" in done.stderr
    for secret in ("DBUser.DBA", REDIS_PASSWORD):
        assert secret not in done.stdout + done.stderr
    assert given.machine.json("deploy", "recipe", **ADMIN)["changes"] == 0


def test_without_the_administrator_the_same_is_only_checked(given: Given) -> None:
    assert given.machine.json("plan", "recipe")["changes"] == []
    assert given.machine.json("deploy", "recipe")["changes"] == 0
    checks = given.machine.json("verify", "recipe")["checks"]
    assert checks and all(check["result"] == "ok" for check in checks)


def test_what_somebody_takes_away_is_named_with_what_brings_it_back(given: Given) -> None:
    given.sql("ALTER DATABASE dify_plugin RENAME TO elsewhere")
    try:
        rows = given.machine.json("plan", "recipe")["changes"]
        assert [row["step"] for row in rows] == ["pgsql"]
        assert 'database "dify_plugin" does not exist' in rows[0]["what"]
        made = given.machine.json("plan", "recipe", **ADMIN)["changes"]
        assert made[0]["what"] == "create database dify_plugin"
    finally:
        given.sql("ALTER DATABASE elsewhere RENAME TO dify_plugin")


def save(given: Given, name: str, value: str, **more: Any) -> None:
    words = ("secrets", "recipe", name, "--set", "--yes")
    given.machine.rollout(*words, stdin=f"{value}\n", **more)
