"""A disk that fills up, and a PostgreSQL that goes, in the middle of an upgrade or its way back."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import psycopg
import pytest

from clients.waiting import until
from config.errors import StepError
from flows.parts.graph import Graph
from flows.parts.upgrading import back
from tasks.core import upgrade_mark
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.steps import revisions
from tasks.steps.pgsql import dify_database
from tasks.steps.table import PARTS
from tests.integration.upgrading import (
    HEADS,
    NEW,
    OLD,
    in_use,
    require_served_as_before,
    state,
    to,
    upgrade,
)
from tests.upgrades.test_every_step import broken

MB = 1_000_000
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A disk of 96 MB."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def dify(module_sandbox_site: Any, disk: Path) -> Generator[Site]:
    with in_use(module_sandbox_site, disk / "repository") as site:
        yield site


def fill(disk: Path, *, but: int = 0) -> Path:
    """Something takes all of the disk but so many bytes."""
    filler, free = disk / "filler", os.statvfs(disk)
    size = free.f_bavail * free.f_frsize - but
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    return filler


def start(site: Site) -> None:
    for step in PARTS["pgsql"](site):
        converge(step)


def test_a_disk_without_room_is_refused_before_anything(dify: Site, disk: Path) -> None:
    was, filler = state(dify), fill(disk, but=5 * MB)
    try:
        with pytest.raises(StepError, match=r"has 0\.0 GB free, and the databases hold 0\.\d GB"):
            upgrade(dify)
    finally:
        filler.unlink()
    require_served_as_before(dify, was)


def test_a_way_back_without_room_goes_on_once_there_is_some(
    dify: Site, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = state(dify)
    filler = disk / "filler"

    def full() -> None:
        fill(disk)
        raise StepError("injected", "no more of this")

    with monkeypatch.context() as patch:
        broken(patch, "migrate", full, before=False)
        with pytest.raises(StepError, match=r"and the way back stopped: .*") as error:
            upgrade(dify).carry_out(drilled=False)
    assert "rollout rollback sandbox goes on with the way back" in error.value.advice
    with pytest.raises(StepError, match="stopped half-way"):
        upgrade_mark.require_none(dify)
    filler.unlink()
    back(Graph(to(dify, OLD)))
    require_served_as_before(dify, was)


def kill(site: Site) -> None:
    found = layout(site).daemon.running()
    assert found
    os.kill(found.pid, signal.SIGQUIT)
    assert until(lambda: layout(site).daemon.running() is None, within_s=30, every_s=0.1)


def killed_while_it_migrates(site: Site) -> None:
    """PostgreSQL is killed once the migration waits for a lock."""
    database = dify_database(site)
    with suppress(psycopg.OperationalError), database.connect() as holds:
        holds.execute("BEGIN")
        holds.execute("LOCK TABLE alembic_version IN EXCLUSIVE MODE")
        with suppress(psycopg.OperationalError), database.connect() as looks:
            until(lambda: looks.execute(WAITING).fetchone() != (0,), within_s=300, every_s=0.2)
            kill(site)


def test_postgres_killed_in_the_migration_is_gone_back_from(dify: Site) -> None:
    was, upgrading = state(dify), upgrade(dify)
    killer = Thread(target=killed_while_it_migrates, args=[dify])
    killer.start()
    with pytest.raises(StepError, match=r"failed at migrate: (?s:.*)Dify 1\.15\.0 serves again"):
        upgrading.carry_out(drilled=False)
    killer.join()
    require_served_as_before(dify, was)


def test_postgres_that_is_away_for_a_while_is_waited_for(
    dify: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = state(dify)
    starter = Timer(8, start, [dify])

    def away() -> None:
        if not starter.is_alive() and not starter.finished.is_set():
            kill(dify)
            starter.start()

    with monkeypatch.context() as patch:
        broken(patch, "migrate", away, before=True)
        report = upgrade(dify).carry_out(drilled=False)
    starter.join()
    assert (report.serves, report.failed) == (NEW, "")
    assert revisions.in_database(dify) == HEADS[NEW]
    back(Graph(to(dify, OLD)))
    require_served_as_before(dify, was)


def test_a_disk_that_fills_up_with_the_point_stops_nobody(dify: Site) -> None:
    """The last one: what restic has begun stays until the next backup."""
    was = state(dify)
    large = dify.environment.dify.data / "app" / "storage" / "large"
    large.write_bytes(os.urandom(110 * MB))
    try:
        with pytest.raises(StepError, match="no space left"):
            upgrade(dify).carry_out(drilled=False)
    finally:
        large.unlink()
    require_served_as_before(dify, was)
