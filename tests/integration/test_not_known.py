"""What cannot be asked is not absent, a mark is of one state only, and a database takes writes."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clients import docker_engine as client
from clients.docker import Docker
from clients.docker_engine import DockerUnusable
from clients.postgres import PostgresUnreachable
from config.errors import StepError
from tasks.core import release_file, step, verified_mark
from tasks.core.engine import startable, usable
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.core.verified_mark import prove
from tasks.platforms.sandbox import postgres, redis
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.probes.engine import ask_all
from tasks.probes.health import postgres as health
from tasks.probes.health.probe import Past
from tasks.probes.verify.state import probes
from tasks.steps import rollout
from tasks.steps.migrate import Migrate
from tasks.steps.pgsql import admin, dify_database
from tasks.steps.table import PARTS
from tests.integration import stack
from tests.integration.test_revisions import HEAD, at, states


@pytest.fixture(scope="module")
def site(module_sandbox_site: Any) -> Generator[Site]:
    with stack.deployed(module_sandbox_site, "1.15.0") as made:
        prove(made, changed=True)
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "ANSWERS_WITHIN_S", 2.0)
    monkeypatch.setattr(postgres, "ASK_WITHIN_S", 2.0)
    monkeypatch.setattr(redis, "ANSWER_WITHIN_S", 2.0)
    monkeypatch.setattr("clients.postgres.CONNECT_TIMEOUT_S", 2)


@contextmanager
def held(pid: int, seconds: float = 0.0) -> Generator[None]:
    """The process does not run meanwhile; for `seconds`, or as long as this lasts."""
    os.kill(pid, signal.SIGSTOP)
    waking = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    if seconds:
        waking.start()
    try:
        yield
    finally:
        waking.cancel()
        os.kill(pid, signal.SIGCONT)


def server(site: Site) -> int:
    found = layout(site).daemon.running()
    assert found
    return found.pid


def deployed(site: Site) -> list[str]:
    """What a deploy of everything changes."""
    names = [name for name in PARTS if name not in ("hosts",)]
    return [change.what for name in names for change in rollout.carry_out(site, name).changes]


def quiet(site: Site, work: Callable[[], object]) -> None:
    """Whatever the work does, no container is touched, and Dify works afterwards."""
    before = states(site)
    try:
        work()
    finally:
        after = states(site)
    ids = {name: state.split()[:2] for name, state in before.items()}
    assert {name: state.split()[:2] for name, state in after.items()} == ids


def test_postgresql_that_is_away_for_a_moment_is_waited_for(site: Site) -> None:
    def work() -> None:
        with held(server(site), seconds=12):
            assert deployed(site) == []

    quiet(site, work)


@pytest.mark.usefixtures("impatient")
def test_postgresql_that_stays_away_stops_nothing(site: Site) -> None:
    pid = server(site)

    def work() -> None:
        with held(pid):
            for name in ("pgsql", "settings", "migrate"):
                with pytest.raises(StepError, match=r"does not answer") as refused:
                    rollout.carry_out(site, name)
                assert "nothing was changed" in refused.value.advice
            with pytest.raises(PostgresUnreachable):
                rollout.plan(site, only=["migrate"])

    quiet(site, work)
    assert server(site) == pid
    assert deployed(site) == []
    prove(site, changed=True)


@pytest.mark.usefixtures("impatient")
def test_a_migration_that_is_due_does_not_stop_what_serves_while_postgresql_is_away(
    site: Site,
) -> None:
    def work() -> None:
        with held(server(site)), pytest.raises(StepError, match="does not answer"):
            converge(Migrate(site))

    quiet(site, work)


def test_a_stopped_postgresql_is_started_and_a_plan_says_what_it_cannot_see(site: Site) -> None:
    postgres.stop(site)

    def work() -> None:
        found = [c.what for o in rollout.plan(site, only=["pgsql", "migrate"]) for c in o.changes]
        assert found == [
            "start PostgreSQL",
            "look at pgsql again once the changes above are made",
            "look at migrate again once the changes above are made",
        ]
        assert deployed(site) == ["start PostgreSQL"]

    quiet(site, work)


@pytest.mark.usefixtures("impatient")
def test_a_redis_that_does_not_answer_is_not_stopped(site: Site) -> None:
    found = redis.daemon(site).running()
    assert found
    with held(found.pid), pytest.raises(StepError, match="does not answer"):
        rollout.carry_out(site, "redis")
    running = redis.daemon(site).running()
    assert running and running.pid == found.pid
    assert deployed(site) == []


def test_an_engine_that_does_not_answer_has_neither_images_nor_containers_nor_none(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One socket nobody listens on, and one whose engine hangs."""
    monkeypatch.setattr(client, "ANSWERS_WITHIN_S", 2)
    monkeypatch.setattr(step, "ANSWERS_WITHIN_S", 0)
    hung = socket.socket(socket.AF_UNIX)
    hung.bind(str(tmp_path / "hung"))
    hung.listen()
    for name in ("nobody", "hung"):
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/{name}")
        away = Site(site.environment, site.release, site.secrets)
        for asked in (usable, startable):
            with pytest.raises(DockerUnusable):
                asked(away)
        for part in ("docker", "images", "settings", "compose"):
            with pytest.raises(StepError, match="Docker Engine"):
                rollout.carry_out(away, part)
    hung.close()


def test_a_failed_migration_starts_what_it_stopped(site: Site) -> None:
    """The column it would add is there already."""
    at(site, "5eed00001130")
    with pytest.raises(StepError, match="already exists"):
        rollout.carry_out(site, "migrate")
    at(site, HEAD)
    running = {c.service for c in Docker().containers(site.environment.dify.project)
               if c.state == "running"}  # fmt: skip
    assert running >= {"api", "worker", "worker_beat", "api_websocket", "web"}
    deployed(site)
    prove(site, changed=True)


def rounds(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each round of checks that follows was a deep one."""
    seen: list[bool] = []

    def verify(site: Site, *, deep: bool) -> Any:
        seen.append(deep)
        return real(site, deep=deep)

    real = verified_mark.verify
    monkeypatch.setattr(verified_mark, "verify", verify)
    return seen


def test_a_failed_check_takes_the_mark_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(site, changed=True)
    seen = rounds(site, monkeypatch)
    prove(site, changed=False)
    wrong = site.replace(secrets={**site.secrets, "admin_password": SecretStr("not this one")})
    with pytest.raises(StepError, match="checks failed"):
        prove(wrong, changed=True)
    assert release_file.read(site.environment, site.node).verified == ""
    with pytest.raises(StepError, match="checks failed"):
        prove(wrong, changed=False)
    prove(site, changed=False)
    prove(site, changed=False)
    assert seen == [False, True, True, True, False]


def test_a_change_takes_the_mark_away_before_it_is_made(site: Site) -> None:
    prove(site, changed=True)
    (site.environment.dify.home / "compose.yaml").write_text("services: {}\n")
    rollout.carry_out(site, "settings")
    assert release_file.read(site.environment, site.node).verified == ""
    prove(site, changed=False)


def test_a_database_made_anew_is_not_what_was_proved(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove(site, changed=False)
    seen = rounds(site, monkeypatch)
    plugins = site.environment.postgres.plugin_database.encode()
    with admin(site) as connection:
        for words in (b"ALTER DATABASE %s RENAME TO aside", b"CREATE DATABASE %s TEMPLATE aside"):
            connection.execute(
                b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                b" WHERE datname IN ('" + plugins + b"', 'aside')"
            )
            connection.execute(words % plugins)
        connection.execute(b"ALTER DATABASE %s OWNER TO dbuser_dify" % plugins)
        connection.execute(b"DROP DATABASE aside")
    prove(site, changed=False)
    prove(site, changed=False)
    assert seen == [True, False]
    assert "close database dify_plugin to other roles" in deployed(site)


@contextmanager
def altered(site: Site, words: str, back: str) -> Generator[None]:
    with admin(site) as connection:
        connection.execute(words.encode())
        try:
            yield
        finally:
            connection.execute(back.encode())


@pytest.mark.parametrize(
    ("words", "back", "said"),
    [
        (
            "ALTER DATABASE dify SET default_transaction_read_only = on",
            "ALTER DATABASE dify RESET default_transaction_read_only",
            "default_transaction_read_only is on",
        ),
        (
            "ALTER ROLE dbuser_dify SET default_transaction_read_only = on",
            "ALTER ROLE dbuser_dify RESET default_transaction_read_only",
            "default_transaction_read_only is on",
        ),
        (
            "ALTER ROLE dbuser_dify CONNECTION LIMIT 60",
            "ALTER ROLE dbuser_dify CONNECTION LIMIT -1",
            "role dbuser_dify may have 60 connections, Dify may open",
        ),
        (
            "ALTER DATABASE dify CONNECTION LIMIT 60",
            "ALTER DATABASE dify CONNECTION LIMIT -1",
            "database dify takes 60 connections, Dify may open",
        ),
    ],
    ids=["database read-only", "role read-only", "role's limit", "database's limit"],
)
def test_what_keeps_dify_from_working_is_seen_by_plan_deploy_verify_and_health(
    site: Site, words: str, back: str, said: str
) -> None:
    with altered(site, words, back):
        planned = rollout.carry_out(site, "pgsql", dry_run=True)
        (blocked,) = planned.blocked
        assert blocked.why.startswith(said) and not planned.changes
        with pytest.raises(StepError, match=said):
            rollout.carry_out(site, "pgsql")
        wrong = [f for f in ask_all(probes(site, deep=False), patience=1) if f.at_fault]
        assert len(wrong) == 1
        found = ask_all(health.probes(site, Past()), patience=1)
        bad = [each for each in found if said in each.said]
        assert [str(r.status) for r in bad] in (["fail"], ["warn"])
    assert rollout.carry_out(site, "pgsql").changes == ()


def test_the_row_that_is_written_does_not_stay(site: Site) -> None:
    ask_all(health.probes(site, Past()), patience=1)
    with dify_database(site).connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert row == (0,)
