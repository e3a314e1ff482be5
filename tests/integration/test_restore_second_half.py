"""What served before a restore serves again where what follows it fails or is cancelled."""

import os
import signal
import threading
import time
from collections.abc import Generator

import pytest
from psycopg import Connection

from config.errors import RolloutError, StepError
from flows.parts.bring_back import proved
from flows.parts.graph import Graph
from tasks.core.site import Site
from tasks.points import databases, interrupted_restore, replaced
from tasks.points.backup import silent, take
from tasks.points.choice import choose
from tasks.points.databases import twins
from tasks.points.repository import Repository
from tasks.points.restore import Restored
from tasks.probes.verify.run import failed, verify
from tasks.steps import hosts
from tasks.steps.maintenance import is_read
from tasks.steps.pgsql import dify_database
from tests.integration.restoring import restore
from tests.integration.test_backup import die, in_child
from tests.integration.test_restore_served import containers, mark, marks, saved, serving
from tests.long import long

__all__ = ["saved", "serving"]

# What makes a point no good, and takes that back in the state that serves.
MIGRATE = (
    "UPDATE alembic_version SET version_num = '5eed00001130'",
    "UPDATE alembic_version SET version_num = '5eed00001150'",
)
VERIFY = (
    "ALTER TABLE accounts RENAME COLUMN password TO lost",
    "ALTER TABLE accounts RENAME COLUMN lost TO password",
)


@pytest.fixture(scope="module")
def dify(serving: Site) -> Generator[Site]:
    """Somebody has set it up."""
    assert failed(verify(serving, deep=True)) is None
    yield serving
    hosts.remove(serving)


def execute(site: Site, statement: str) -> None:
    connection: Connection
    with dify_database(site).connect() as connection:
        connection.execute(statement.encode())


def restored(site: Site, saved: Repository, point: str) -> Restored:
    choice = choose(site, saved, point, [], migrate=True)
    return restore(site, choice, lambda: saved)


def bad_point(site: Site, saved: Repository, change: tuple[str, str]) -> str:
    execute(site, change[0])
    try:
        return take(site, saved, reason="asked", on_progress=silent).point
    finally:
        execute(site, change[1])


def states(site: Site) -> dict[str, str]:
    """Of every service; a stack that was started again may have new containers."""
    return {service: found.split()[-1] for service, found in containers(site).items()}


def require_as_before(site: Site, before: dict[str, str], rows: list[str]) -> None:
    assert states(site) == before
    assert marks(site) == rows
    assert failed(verify(site, deep=True)) is None
    assert is_read(site) is False, "people still get the page of maintenance"
    interrupted_restore.require_ended(site)
    [main, _] = twins(site, replaced.DATABASES)
    for suffix in ("_previous", "_incoming"):
        assert not databases.exists(site, main.named(suffix))


@pytest.mark.parametrize(
    ("change", "why"),
    [(MIGRATE, "the migration failed: exit status 1"), long(VERIFY, "login works")],
    ids=["migrate", "verify"],
)
def test_a_restore_whose_second_half_fails_brings_back_what_served(
    dify: Site, saved: Repository, change: tuple[str, str], why: str
) -> None:
    mark(dify, f"before {why}")
    point = bad_point(dify, saved, change)
    before, rows = states(dify), marks(dify)
    done = restored(dify, saved, point)
    with pytest.raises(RolloutError) as failure:
        proved(Graph(dify), done.way_back)
    assert why in str(failure.value)
    assert "what served before serves again" in str(failure.value)
    require_as_before(dify, before, rows)


def interrupted_when_it_starts(site: Site) -> None:
    """Ctrl-C once a container of what was restored runs."""
    deadline = time.monotonic() + 120
    while "running" not in states(site).values():
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.long
def test_a_restore_that_is_cancelled_in_its_second_half_brings_back_what_served(
    dify: Site, saved: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    point = take(dify, saved, reason="asked", on_progress=silent).point
    mark(dify, "later than the point")
    before, rows = states(dify), marks(dify)
    done = restored(dify, saved, point)
    assert marks(dify) != rows
    person = threading.Thread(target=interrupted_when_it_starts, args=(dify,))
    person.start()
    with pytest.raises(KeyboardInterrupt):
        proved(Graph(dify), done.way_back)
    person.join()
    assert "restore: failed; what served before serves again" in caplog.text
    require_as_before(dify, before, rows)


def test_a_way_back_that_is_killed_is_finished_by_the_next_restore(
    dify: Site, saved: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(dify, "in the point")
    point = take(dify, saved, reason="asked", on_progress=silent).point
    rows = marks(dify)
    mark(dify, "later")
    way_back = restored(dify, saved, point).way_back
    assert way_back is not None
    monkeypatch.setattr("tasks.points.way_back.forget_jobs", die)
    assert in_child(lambda: way_back.failed(RuntimeError("no good"))) == -signal.SIGKILL
    monkeypatch.undo()
    with pytest.raises(StepError, match=rf"finish it first: rollout restore sandbox {point} --mig"):
        interrupted_restore.require_ended(dify)
    proved(Graph(dify), restored(dify, saved, point).way_back)
    assert marks(dify) == rows
    interrupted_restore.require_ended(dify)
