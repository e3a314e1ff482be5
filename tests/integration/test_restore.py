"""A restore loses no row that was committed; where it fails, what served before serves again."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.site import Site
from tasks.points import databases, folders, replaced
from tasks.points.backup import silent, take
from tasks.points.choice import choose
from tasks.points.databases import session_database, twins
from tasks.points.repository import Repository
from tasks.points.restore import settle
from tasks.steps.pgsql import admin, dify_database
from tests.integration.restoring import restore
from tests.integration.test_backup import (
    State,
    repository,
    site,
    state,
)

__all__ = ["repository", "site", "state"]


def changed(site: Site, **keep: int) -> Site:
    backup = site.environment.backup
    own = backup.model_copy(update={"keep": backup.keep.model_copy(update=keep)})
    environment = site.environment.model_copy(update={"backup": own})
    return Site(environment, site.release, dict(site.secrets), site.node)


class Writer:
    """Commits a row after the other into whatever database has Dify's name, and notes them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.committed: list[int] = []
        self.done = threading.Event()

    def work(self) -> None:
        number = 0
        while not self.done.is_set():
            try:
                with session_database(self.site).connect() as connection:
                    while not self.done.is_set():
                        number += 1
                        connection.execute("INSERT INTO written VALUES (%s)", [number])
                        self.committed.append(number)
            except Exception:  # noqa: BLE001 - its database was taken away; the next try tells
                time.sleep(0.01)


@contextmanager
def writing(site: Site) -> Iterator[list[int]]:
    writer = Writer(site)
    thread = threading.Thread(target=writer.work)
    thread.start()
    try:
        yield writer.committed
    finally:
        writer.done.set()
        thread.join()


def written(site: Site, database: str) -> set[int]:
    """As administrator: nobody else is let into a database that was put aside."""
    with admin(site, database) as connection:
        return {row[0] for row in connection.execute("SELECT n FROM written")}


def test_every_row_committed_while_a_restore_runs_is_in_the_point_or_the_kept_database(
    site: Site, state: State, repository: Repository
) -> None:
    keeping = changed(site, replaced_days=7)
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE written (n bigint)")
    try:
        point = take(site, repository, reason="asked", on_progress=silent).point
        choice = choose(keeping, repository, point, [])
        with writing(site) as committed:
            time.sleep(0.5)
            done = restore(keeping, choice, lambda: repository)
            kept = settle(keeping)
        live = site.environment.postgres.database
        assert f"database {live}_previous" in kept and str(folders.previous(state.storage)) in kept
        after = written(site, live)
        before = written(site, f"{live}_previous")
        restore(keeping, choose(keeping, repository, done.safety, []), lambda: repository)
        in_point = written(site, live)
        assert len(committed) > 100
        assert set(committed) - in_point - before - after == set()
        assert len(in_point - before) == 0 and len(before) > 100
    finally:
        with dify_database(site).connect() as connection:
            connection.execute("DROP TABLE IF EXISTS written")


@pytest.mark.long
def test_what_was_replaced_goes_after_the_days_that_are_stated(
    site: Site, state: State, repository: Repository
) -> None:
    keeping = changed(site, replaced_days=7)
    point = take(site, repository, reason="asked", on_progress=silent).point
    restore(keeping, choose(keeping, repository, point, []), lambda: repository)
    now = datetime.now(UTC)
    assert f"kept until {now + timedelta(days=7):%Y-%m-%d}: " in settle(keeping)
    replaced.expire(keeping, now + timedelta(days=6))
    [main, _] = twins(site, replaced.DATABASES)
    assert databases.exists(site, main.named("_previous"))
    replaced.expire(keeping, now + timedelta(days=8))
    assert not databases.exists(site, main.named("_previous"))
    assert not folders.previous(state.storage).exists()


def test_a_point_says_that_nothing_was_ever_deployed(
    site: Site, state: State, repository: Repository
) -> None:
    found = take(site, repository, reason="asked", on_progress=silent)
    assert found.release == ""
    assert found.notes == ["nothing ran, and nothing was deployed here: its release is not known"]
