"""What the pgsql step would do, decided without a server; PostgreSQL's files as text."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from clients.postgres import Postgres
from config.environment import Environment
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.platforms.sandbox.postgres import Actual, Server, ServerProcess
from tasks.steps.pgsql import Database, DatabaseActual
from tasks.steps.pgsql_role import Role, RoleActual
from tasks.tools import postgres as tool


def make_site(environment: Environment | None = None) -> Site:
    chosen = environment or load_environment("sandbox")
    secrets = {"postgres_password": SecretStr("canary"), "redis_password": SecretStr("canary")}
    return Site(chosen, load_release(chosen.dify.release), secrets)


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def role(site: Site) -> Role:
    return Role(site, Postgres("127.0.0.1", 1, "dify", SecretStr("canary"), "dify"))


@pytest.fixture
def database(site: Site) -> Database:
    return Database(site, "dify", "owner", ("vector", "uuid-ossp"))


def test_settings_read_back_as_written_whatever_they_contain() -> None:
    settings = {"port": "5432", "a": "it's", "b": "", "c": "x # y = 'z'"}
    assert tool.parse_conf(tool.conf(settings)) == settings


def test_a_hand_written_line_is_seen() -> None:
    found = tool.parse_conf("port = '1'\n# comment\n\nwork_mem = 4MB\n")
    assert found == {"port": "1", "work_mem = 4MB": ""}


def test_the_port_is_found_in_a_pid_file() -> None:
    text = "4242\n/home/data\n1764000000\n15432\n../socket\n127.0.0.1\n"
    assert tool.port(text) == 15432
    assert tool.port("4242\n/home/data\n") is None
    assert tool.port("") is None


def test_why_a_server_did_not_start_is_read_from_its_log() -> None:
    log = (
        "2026-11-24 00:15:01.000 UTC [1] LOG:  starting PostgreSQL 16.10\n"
        '2026-11-24 00:15:01.001 UTC [1] FATAL:  lock file "postmaster.pid" already exists\n'
        "2026-11-24 00:15:01.001 UTC [1] HINT:  Is another postmaster running?\n"
        "2026-11-24 00:15:01.001 UTC [1] LOG:  database system is shut down\n"
    )
    assert tool.complaints(log) == (
        'lock file "postmaster.pid" already exists; Is another postmaster running?'
    )
    assert tool.complaints("LOG:  nothing wrong\n") == ""


def test_tools_run_as_the_servers_user_from_a_directory_anybody_may_enter() -> None:
    command = tool.Programs(Path("/p"), "dify-rollout").stop(Path("/d"))
    assert command.argv()[:4] == [
        "setpriv",
        "--reuid=dify-rollout",
        "--regid=dify-rollout",
        "--clear-groups",
    ]
    assert (
        str(command) == "/p/bin/pg_ctl stop --pgdata=/d --silent --mode=fast --wait --timeout=86400"
    )
    assert command.cwd == "/"


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (RoleActual(exists=False), ["create role dify"]),
        (RoleActual(exists=True, password_works=True), []),
        (RoleActual(exists=True, password_works=False), ["set password of dify"]),
        (RoleActual(True, ("NOSUPERUSER",), True), ["restrict role dify"]),
        (RoleActual(True, ("LOGIN",), False), ["restrict role dify", "set password of dify"]),
        (
            RoleActual(True, (), True, administered=False),
            ["let the administrator act for role dify"],
        ),
    ],
)
def test_what_is_done_to_a_role(role: Role, actual: RoleActual, expected: list[str]) -> None:
    changes = role.plan(actual)
    assert [change.what for change in changes] == expected
    assert "canary" not in str(changes) + repr(role)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (DatabaseActual("owner", False, frozenset({"vector", "uuid-ossp", "more"})), []),
        (
            DatabaseActual("other", True, frozenset({"vector"})),
            [
                "change owner of database dify",
                "close database dify to other roles",
                "add extension uuid-ossp to dify",
            ],
        ),
    ],
)
def test_what_is_done_to_a_database(
    database: Database, actual: DatabaseActual, expected: list[str]
) -> None:
    assert [change.what for change in database.plan(actual)] == expected


def server_as_it_should_be(site: Site) -> Actual:
    bare = Server(site).plan(Actual(None, None, None))
    conf, hba = (change.action.content for change in bare[:2])
    return Actual(
        conf, hba, ServerProcess(1, listens=True, from_here=True, known=True, loaded=True)
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, []),
        ({"loaded": False}, ["reload PostgreSQL"]),
        ({"known": False}, ["reload PostgreSQL"]),
        ({"listens": False}, ["restart PostgreSQL"]),
        ({"from_here": False}, ["restart PostgreSQL"]),
        ({"pending": frozenset({"port"}), "loaded": False}, ["restart PostgreSQL"]),
    ],
)
def test_what_makes_a_server_follow_its_files(
    site: Site, seen: dict[str, bool | frozenset[str]], expected: list[str]
) -> None:
    fine = {"listens": True, "from_here": True, "known": True, "loaded": True}
    wanted = server_as_it_should_be(site)
    running = ServerProcess(1, **{**fine, **seen})  # type: ignore[arg-type]
    changes = Server(site).plan(Actual(wanted.conf, wanted.hba, running))
    assert [change.what for change in changes] == expected
