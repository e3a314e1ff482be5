"""Restore points on Pigsty, and its cluster going back to a moment: backup, write, go back."""

import os
import signal
import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.repository import BackupRepository
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty.members import primary
from tasks.points import archive, interrupted_restore, pitr
from tasks.points import backup as backups
from tasks.points.backup import backup, take
from tasks.points.choice import choose
from tasks.points.databases import twins
from tasks.points.goal import Goal, at_moment, moment
from tasks.points.replaced import DATABASES
from tasks.points.repository import Repository, tool
from tasks.points.restore import settle
from tasks.steps.pgsql import dify_database
from tasks.tools.pgbackrest import Physical
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import deploy
from tests.integration.restoring import restore
from tests.integration.test_backup import die, in_child

SCHEMA = """
    CREATE TABLE alembic_version (version_num text);
    CREATE TABLE messages (id serial, created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'));
    INSERT INTO alembic_version VALUES ('5eed00001150');
"""


@pytest.fixture(scope="module")
def site(double: PigstyDouble, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    """An environment deployed there, up to what Dify's containers would be, with one message."""
    repository = tmp_path_factory.mktemp("points") / "repository"
    made = double.site(
        portal={"domain": "dify.pigsty"},
        backup={
            "repository": str(repository),
            "verify_days": 1,
            "drill": {"subnet": "172.30.62.0/24"},
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        programs = double.folder / "pgsql/x/pginstall/bin"
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        deploy(made)
        made.environment.dify.home.mkdir(parents=True, exist_ok=True)
        with dify_database(made).connect() as connection:
            connection.execute(SCHEMA)
        yield made


@pytest.fixture(scope="module")
def repository(site: Site) -> Repository:
    access = BackupRepository(password=SecretStr("pa55"))
    made = Repository(site, tool("restic", site, access), access)
    made.run(made.tool.init())
    return made


def say(site: Site) -> None:
    with dify_database(site).connect() as connection:
        connection.execute("INSERT INTO messages DEFAULT VALUES")


def said(site: Site) -> int:
    with dify_database(site).connect() as connection:
        row = connection.execute("SELECT count(*) FROM messages").fetchone()
        return row[0] if row else 0


def usable(site: Site) -> Sequence[Physical]:
    """The physical backups that lead to what the cluster is."""
    return archive.backups(primary(site), primary(site).history())


def now() -> datetime:
    """A moment of its own: what came before is older, what comes next is newer."""
    time.sleep(0.1)
    found = datetime.now(UTC)
    time.sleep(0.1)
    return found


def test_a_point_names_its_moment_in_the_archive_and_comes_back(
    site: Site, repository: Repository, double: PigstyDouble
) -> None:
    say(site)
    manifest = backup(site, repository).manifest
    assert manifest.archived is not None
    assert manifest.archived.restore_point == manifest.point
    assert manifest.archived.label.endswith("F") and "/" in manifest.archived.lsn
    assert manifest.archived.trouble == ""
    say(site)
    choice = choose(site, repository, manifest.point, [])
    restore(site, choice, lambda: repository)
    settle(site)
    assert said(site) == 1


def test_a_drills_databases_and_rules_are_there_before_the_drill(
    site: Site, double: PigstyDouble
) -> None:
    for twin in twins(site, DATABASES):
        with twin.named("_drill").connect() as connection:
            found = {name for (name,) in connection.execute("SELECT extname FROM pg_extension")}
        assert set(twin.extensions) <= found
    rules = double.path("/pg/data/pg_hba.conf").read_text()
    (rule,) = [line for line in rules.splitlines() if "172.30.62.0/24" in line]
    assert "dify_drill,dify_plugin_drill" in rule


def test_by_choice_a_physical_backup_is_taken_each_time(site: Site, repository: Repository) -> None:
    chosen = site.environment.backup.model_copy(update={"physical": True})
    environment = site.environment.model_copy(update={"backup": chosen})
    made = take(Site(environment, site.release, site.secrets, site.node), repository,
                reason="asked", on_progress=backups.silent)  # fmt: skip
    assert made.archived is not None and made.archived.label.endswith("I")


def test_without_a_stanza_the_point_is_made_and_says_so(
    site: Site, repository: Repository, double: PigstyDouble, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = double.path("/data/backups/info.json")
    catalog.rename(catalog.with_suffix(".away"))
    try:
        made = take(site, repository, reason="asked", on_progress=backups.silent)
        with pytest.raises(StepError, match="has no physical backup: missing stanza path"):
            pitr.preview(site, repository, now())
    finally:
        catalog.with_suffix(".away").rename(catalog)
    assert made.archived is not None and made.archived.trouble == "missing stanza path"
    assert "NO PHYSICAL BACKUP" in caplog.text


@pytest.mark.long
def test_it_goes_back_to_the_moment_and_what_was_there_is_a_point(
    site: Site, repository: Repository, double: PigstyDouble
) -> None:
    before, target = said(site), now()
    say(site)
    say(site)
    loss = pitr.preview(site, repository, target)
    assert loss.rows == {"messages": 2} and loss.points == ()
    assert loss.backup and "/" in loss.lsn
    assert loss.others == ("meta",)
    done = pitr.go_back(site, at_moment(site.name, target), lambda: repository)
    assert said(site) == before
    assert "went back postgres 5432" in double.journal()
    assert interrupted_restore.pending(site) is None
    assert repository.points()[-1].id == done.safety
    say(site)  # the cluster accepts writes
    choice = choose(site, repository, done.safety, [])
    restore(site, choice, lambda: repository)
    settle(site)
    assert said(site) == before + 2


def test_a_time_outside_the_archive_is_refused_before_anything_happens(
    site: Site, repository: Repository, double: PigstyDouble
) -> None:
    journal = double.journal()
    for target in (now() - timedelta(days=1), now() + timedelta(days=1)):
        with pytest.raises(StepError, match=r"(?s)is outside the archive of pg-meta.*expected a"):
            pitr.preview(site, repository, target)
        with pytest.raises(StepError, match="is outside the archive"):
            pitr.go_back(site, at_moment(site.name, target), lambda: repository)
    assert double.journal() == journal and interrupted_restore.pending(site) is None
    with pytest.raises(StepError, match="is no time with its zone"):
        moment("2026-11-24 12:00")


@pytest.mark.long
def test_it_goes_back_to_a_named_restore_point_though_a_backup_is_newer(
    site: Site, repository: Repository, double: PigstyDouble
) -> None:
    before = said(site)
    named = archive.named(site, "upgrade-1")
    time.sleep(0.1)
    say(site)
    assert primary(site).back_up() == ""
    undone, later = usable(site)[-1], archive.named(site, "upgrade-2")
    say(site)
    goal = Goal(named.at, "rollout rollback prod", named)
    done = pitr.go_back(site, goal, lambda: repository)
    assert said(site) == before and done.safety
    assert undone in primary(site).stanza().backups and undone not in usable(site)
    with pytest.raises(StepError, match="upgrade-2 is outside the archive of pg-meta"):
        pitr.require(site, Goal(later.at, "", later))
    say(site)
    pitr.go_back(site, goal, lambda: repository)  # once more: a run that was killed does so
    assert said(site) == before


@pytest.mark.long
def test_a_point_after_going_back_names_a_backup_that_leads_to_it(
    site: Site, repository: Repository
) -> None:
    made = take(site, repository, reason="asked", on_progress=backups.silent)
    assert made.archived is not None and made.archived.trouble == ""
    assert made.archived.label == usable(site)[-1].label != primary(site).stanza().backups[-1].label


def test_a_run_killed_before_the_playbook_is_finished_by_the_next(
    site: Site, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, target = said(site), now()
    say(site)
    monkeypatch.setattr("tasks.points.pitr.play", die)
    go: Any = lambda: pitr.go_back(site, at_moment(site.name, target), lambda: repository)  # noqa: E731
    assert in_child(go) == -signal.SIGKILL
    monkeypatch.undo()
    assert said(site) == before + 1
    with pytest.raises(StepError, match=r"finish it first: rollout restore prod --to-time 20"):
        interrupted_restore.require_ended(site)
    go()
    assert said(site) == before and interrupted_restore.pending(site) is None


def test_a_physical_backup_after_going_back_is_of_what_goes_on(site: Site) -> None:
    assert archive.back_up(site) == ""
    assert usable(site)[-1].timeline == primary(site).history().timeline > 1
