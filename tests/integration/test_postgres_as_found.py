"""A PostgreSQL that somebody else has set up: what it does not let us do is a sentence."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from pydantic import SecretStr

from clients.command import CommandFailed
from clients.postgres import Postgres, PostgresUnfit, PostgresUnreachable
from clients.ssh import SshNode
from config.errors import StepError
from config.secrets import POSTGRES_ADMIN
from tasks.core.site import Site
from tasks.core.step import Change, converge
from tasks.platforms.sandbox.postgres import server_steps, stop
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.points.pg_client_tools import clients
from tasks.probes.connections.databases import postgres as connections
from tasks.probes.engine import ask_all
from tasks.steps.pgsql import admin, dify_database
from tasks.steps.pgsql_role import Role
from tasks.steps.table import PARTS
from tests.integration import tls_postgres
from tests.integration.sshd import SshServer
from tests.integration.tls_front import presenting, tls_alone

EVERY = "".join(map(chr, range(32, 127)))


@pytest.fixture(scope="module")
def server(module_sandbox_site: Any) -> Site:
    return bare_server(module_sandbox_site("found"))


def bare_server(made: Site) -> Site:
    """A server without anything of Dify's, on which every role may log in by password."""
    for step in server_steps(made):
        converge(step)
    let_everybody_in(made)
    with admin(made) as connection:
        connection.execute("CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'boss'")
    with admin(made, "template1") as connection:
        connection.execute("CREATE EXTENSION vector")  # only a superuser may
    return made


def let_everybody_in(server: Site) -> None:
    with (layout(server).data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 127.0.0.1/32 scram-sha-256\n")
    with admin(server) as connection:
        connection.execute("SELECT pg_reload_conf()")


def given(site: Site, **postgres: Any) -> Site:
    """The same server as one whose administrator, no superuser, was given to us."""
    environment = site.environment
    platform = environment.platform.model_copy(update={"kind": "external"})
    settings = environment.postgres.model_copy(update={"admin": "boss", **postgres})
    changed = environment.model_copy(update={"platform": platform, "postgres": settings})
    secrets = {"postgres_password": SecretStr(EVERY), POSTGRES_ADMIN: SecretStr("boss")}
    return Site(changed, site.release, {**site.secrets, **secrets})


def deploy(site: Site) -> list[Change]:
    return [change for step in PARTS["pgsql"](site) for change in converge(step).changes]


def said(site: Site) -> tuple[str, str]:
    with pytest.raises(StepError) as refused:
        deploy(site)
    return refused.value.cause, refused.value.advice


def test_an_administrator_who_is_no_superuser_makes_all_of_it(server: Site) -> None:
    """Managed services give no other one; every printable character is in the password."""
    site = given(server)
    assert [change.what for change in deploy(site)][:2] == [
        "create role dbuser_dify", "create database dify",
    ]  # fmt: skip
    assert deploy(site) == []
    assert "lets dbuser_dify into dify" in dify_database(site).check()


def test_a_role_that_somebody_else_made_is_joined_first(server: Site) -> None:
    with admin(server) as connection:
        connection.execute(f"CREATE ROLE made LOGIN PASSWORD '{'x' * 8}'")
        connection.execute("GRANT made TO boss WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    site = given(server, user="made", database="made", plugin_database="made_plugin")
    assert [change.what for change in deploy(site)][:3] == [
        "set password of made", "let the administrator act for role made", "create database made",
    ]  # fmt: skip
    assert deploy(site) == []


def test_powers_that_only_a_superuser_takes_away_are_said_with_the_reason(server: Site) -> None:
    with admin(server) as connection:
        connection.execute("CREATE ROLE mighty LOGIN SUPERUSER")
    site = given(server, user="mighty", database="mighty", plugin_database="mighty_plugin")
    cause, advice = said(site)
    assert "permission denied to alter role" in cause and "SUPERUSER" in cause
    assert "by who may" in advice


def test_an_extension_that_only_a_superuser_adds_is_said(server: Site) -> None:
    with admin(server, "template1") as connection:
        connection.execute("DROP EXTENSION vector")
    try:
        cause, advice = said(given(server, database="bare", plugin_database="bare_plugin"))
    finally:
        with admin(server, "template1") as connection:
            connection.execute("CREATE EXTENSION vector")
    assert 'permission denied to create extension "vector"' in cause
    assert "by who may" in advice


def test_a_template_of_other_collations_is_found_before_anything_is_made(server: Site) -> None:
    site = given(server, database="late", plugin_database="late_plugin")
    statement = "UPDATE pg_database SET datcollversion = %s WHERE datname = 'template1'"
    with admin(server) as connection:
        connection.execute(statement, ["1.0"])
    try:
        cause, advice = said(site)
    finally:
        with admin(server) as connection:
            connection.execute(statement, [None])
    assert "template1 was made for version 1.0 of the machine's collations" in cause
    assert "as a superuser" in advice and "REFRESH COLLATION VERSION" in advice


_LATIN = "CREATE DATABASE {} OWNER placed ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' "


@pytest.mark.parametrize(
    ("made", "settings", "cause", "statement"),
    [
        ("CREATE DATABASE {}", (), "may put no table into the schema public of", "GRANT ALL ON"),
        (
            _LATIN + "TEMPLATE template0",
            (),
            "has the encoding LATIN1",
            "ENCODING 'UTF8' TEMPLATE template0",
        ),
        (
            "CREATE DATABASE {} OWNER placed",
            ("ALTER DATABASE {} SET search_path = app",),
            "search_path of placed in placed_main leads to no schema",
            'SET search_path = "public"',
        ),
        (
            "CREATE DATABASE {} OWNER placed",
            ("CREATE SCHEMA more", "ALTER EXTENSION vector SET SCHEMA more",
             "GRANT USAGE ON SCHEMA more TO placed"),
            "database placed_main has vector in more, where search_path of placed does not lead",
            'SET search_path = "public", "more"',
        ),
    ],
)  # fmt: skip
def test_a_database_that_lets_dify_in_and_takes_none_of_its_tables(
    server: Site, made: str, settings: tuple[str, ...], cause: str, statement: str
) -> None:
    """What a plan advises is what takes it away; before, the migration would have failed."""
    main, plugin = "placed_main", "placed_plugin"
    site = given(server, admin="", user="placed", database=main, plugin_database=plugin)
    with admin(server) as boss:
        boss.execute(sql.SQL("CREATE ROLE placed LOGIN PASSWORD {}").format(EVERY))
        boss.execute(made.format(main).encode())
        boss.execute(f"CREATE DATABASE {plugin} OWNER placed".encode())
    try:
        for database in (main, plugin):
            with admin(server, database) as boss:
                for name in ("vector", "uuid-ossp"):
                    boss.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" SCHEMA public'.encode())
        with admin(server, main) as boss:
            for setting in settings:
                boss.execute(setting.format(main).encode())
        found, advice = said(site)
        assert cause in found and statement in advice
        _, _, wanted = advice.partition(": ")
        if "DROP" in wanted:
            return
        with admin(server, main) as boss:
            boss.execute(wanted.encode())
        assert deploy(site) == []
        with dify_database(site).connect() as dify:
            dify.execute("CREATE TABLE t (a vector(3), b uuid DEFAULT uuid_generate_v4())")
    finally:
        with admin(server) as boss:
            for database in (main, plugin):
                boss.execute(f"DROP DATABASE {database} (FORCE)".encode())
            boss.execute("DROP ROLE placed")


def test_a_role_that_has_expired_is_no_wrong_password(server: Site) -> None:
    site = given(server, user="expired", database="late", plugin_database="late_plugin")
    deploy(site)
    with admin(server) as boss:
        boss.execute("ALTER ROLE expired VALID UNTIL '2020-01-01'")
    assert "restrict role expired" in [change.what for change in deploy(site)]
    assert deploy(site) == []


def test_a_role_without_a_connection_left_keeps_its_password(server: Site) -> None:
    """What is full now is not a wrong password."""
    site = given(server)
    deploy(site)
    with admin(server) as connection:
        connection.execute("ALTER ROLE dbuser_dify CONNECTION LIMIT 1")
    try:
        with dify_database(site).connect():
            with pytest.raises(PostgresUnreachable, match="takes no more connections: too many"):
                dify_database(site).check()
            with pytest.raises(PostgresUnreachable):
                Role(site, dify_database(site)).observe()
    finally:
        with admin(server) as connection:
            connection.execute("ALTER ROLE dbuser_dify CONNECTION LIMIT -1")


def test_a_server_that_takes_tls_alone_is_known_before_the_plugin_daemon_fails(
    server: Site, tmp_path: Path
) -> None:
    deploy(given(server))
    with tls_alone(tmp_path, server.environment.postgres.port) as port:
        cause, advice = said(given(server, port=port))
        assert cause.startswith("the plugin daemon asks without TLS: ") and "no encryption" in cause
        assert advice == 'set postgres.sslmode = "require"'
        assert deploy(given(server, port=port, sslmode="require")) == []


def test_a_private_authority_is_trusted_by_what_is_named_and_by_nothing_else(
    server: Site, tmp_path: Path, ssh_server: SshServer
) -> None:
    deploy(given(server))
    where = server.environment.postgres
    with presenting(tmp_path, where.port, "127.0.0.1", "localhost") as (port, its, other):
        full = {"host": "localhost", "port": port, "sslmode": "verify-full"}
        site = given(server, **full, ca=str(its))
        assert deploy(site) == []
        database = dify_database(site)
        with database.connect() as connection:
            assert connection.pgconn.ssl_in_use
        cause, advice = said(given(server, **full, ca=str(other)))
        assert "does not prove who it is: " in cause and "certificate verify failed" in cause
        assert advice.startswith("name in postgres.ca the PEM file")
        elsewhere = {**full, "ca": str(its), "host": "127.0.0.1"}
        cause, advice = said(given(server, **elsewhere))
        assert 'certificate for "localhost"' in cause and "127.0.0.1" in cause
        assert "name the server in postgres.host as its certificate does" in advice
        assert deploy(given(server, **{**elsewhere, "sslmode": "verify-ca"})) == []
        over_ssh = replace(database, node=SshNode("node", config=ssh_server.config))
        assert "lets dbuser_dify into dify" in over_ssh.check()  # by the name, through loopback
        with pytest.raises(PostgresUnfit, match="does not prove who it is"):
            replace(over_ssh, host="127.0.0.1").check()
        no_file = said(given(server, **full, ca=str(tmp_path / "none")))
        assert no_file[0].endswith("none on local is no certificate")


def test_a_dump_and_what_reads_it_back_verify_the_certificate_too(server: Site) -> None:
    with tls_postgres.presenting("localhost") as (port, its, other):
        full = {"host": "localhost", "port": port, "sslmode": "verify-full", "ca": str(its)}
        site = given(server, **full)
        database, plugin = dify_database(site), dify_database(site, plugin=True)
        tls_postgres.made(its.parent, port, database.user, database.database, plugin.database)
        programs = clients(site, database)
        assert programs.authority and programs.authority.read_bytes() == its.read_bytes()
        with database.connect() as connection:
            connection.execute("CREATE TABLE saved AS SELECT 7 AS n")
        with database.frozen() as view:
            dump = programs.dump(database, view.snapshot)
            site.node.pipe([dump, programs.restore(plugin)])
            assert saved(plugin) == 7
            site.node.pipe([dump, programs.script(), programs.replace(plugin, [])])
            assert saved(plugin) == 7
            deceived = replace(programs, authority=other)
            for command in (deceived.dump(database, view.snapshot), deceived.replace(plugin, [])):
                with pytest.raises(CommandFailed, match="certificate verify failed"):
                    site.node.run(command)


def test_what_a_servers_own_template_brings_is_neither_saved_nor_in_the_way(server: Site) -> None:
    """As Pigsty's does: a schema of its monitoring in every database, and a foreign server."""
    with tls_postgres.presenting("localhost") as (port, its, _):
        site = given(server, host="localhost", port=port, sslmode="verify-full", ca=str(its))
        database, plugin = dify_database(site), dify_database(site, plugin=True)
        both = database.database, plugin.database
        tls_postgres.made(its.parent, port, database.user, *both)
        tls_postgres.templated(its.parent, port, *both)
        with database.connect() as connection:
            connection.execute("CREATE TABLE saved AS SELECT 7 AS n")
        programs, needs = clients(site, database), ("uuid-ossp",)
        with database.frozen() as view:
            dump = programs.dump(database, view.snapshot)
            site.node.pipe([dump, programs.restore(plugin)])
            assert saved(plugin) == 7
            site.node.pipe([dump, programs.script(), programs.replace(plugin, needs)])
            assert saved(plugin) == 7


def saved(database: Postgres) -> int:
    """The row of the table that was saved, which is there no more afterwards."""
    with database.connect() as connection:
        row = connection.execute("SELECT n FROM saved").fetchone()
        connection.execute("DROP TABLE saved")
    return row[0] if row else 0


@contextmanager
def recovering(server: Site) -> Generator[None]:
    """The server comes back as a standby that waits for a primary."""
    place = layout(server)
    stop(server)
    signal: Path = place.data / "standby.signal"
    signal.touch()
    subprocess.run(["chown", "--reference", place.data, signal], check=True)
    start = server_steps(server)[-1]
    converge(start)
    let_everybody_in(server)
    try:
        yield
    finally:
        stop(server)
        signal.unlink()
        converge(start)
        let_everybody_in(server)


def test_a_standby_is_refused_as_one(server: Site) -> None:
    site = given(server)
    deploy(site)
    with recovering(server):
        for each in (site, given(server, admin="")):
            cause, advice = said(each)
            assert cause.endswith("is a standby") and "name the primary" in advice
            found = {f.said: f.advice for f in ask_all(connections(each), patience=1)}
            assert found[cause] == advice
        with pytest.raises(PostgresUnfit):
            Postgres("127.0.0.1", site.environment.postgres.port, "boss", SecretStr("boss"),
                     "postgres").check()  # fmt: skip


def test_tls_that_is_asked_for_and_not_offered_is_said(server: Site) -> None:
    with pytest.raises(PostgresUnreachable, match="does not support SSL"):
        dify_database(given(server, sslmode="require")).check()
