"""Where a cluster goes back to: which backups lead there, and what Pigsty's playbook gets."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.upgrade_mark import Named, Upgrade
from tasks.points.goal import Goal, at_moment
from tasks.tools.pgbackrest import Physical
from tasks.tools.wal import History

AT = datetime(2026, 11, 27, 21, 40, 5, 250_000, UTC)
NAMED = Named(name="upgrade-20261127T214005Z", at=AT, timeline=2, place=5000)
BACKUP = "20261127-010000F"


def test_a_moment_is_told_to_the_microsecond_in_utc() -> None:
    goal = at_moment("prod", AT)
    assert goal.asked(BACKUP) == {"time": "2026-11-27 21:40:05.250000+00", "set": BACKUP}
    assert goal.finish == "rollout restore prod --to-time 2026-11-27T21:40:05.250000+00:00"


def test_a_name_is_told_with_the_backup_before_it() -> None:
    goal = Goal(AT, "rollout rollback prod", NAMED)
    assert goal.asked(BACKUP) == {"name": "upgrade-20261127T214005Z", "set": BACKUP}
    assert str(goal) == NAMED.name


@pytest.mark.parametrize(
    ("ended", "follows"),
    [(timedelta(seconds=-1), True), (timedelta(0), False), (timedelta(seconds=1), False)],
)
def test_a_moment_follows_a_backup_that_ended_in_an_earlier_second(
    ended: timedelta, follows: bool
) -> None:
    backup = Physical(BACKUP, AT.replace(microsecond=0) + ended, 2, 1)
    assert at_moment("prod", AT).follows(backup) is follows


@pytest.mark.parametrize(("place", "follows"), [(4999, True), (5000, True), (5001, False)])
def test_a_name_follows_a_backup_by_place_whatever_the_clocks_say(
    place: int, follows: bool
) -> None:
    backup = Physical(BACKUP, AT + timedelta(minutes=5), 2, place)
    assert Goal(AT, "", NAMED).follows(backup) is follows


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        (History(2, {}), True),
        (History(3, {2: 5000}), True),  # it went back there, or a replica took over later
        (History(3, {2: 4999}), False),
        (History(3, {1: 9000}), False),
    ],
)
def test_a_name_that_was_undone_is_not_in_the_archive(history: History, kept: bool) -> None:
    assert Goal(AT, "", NAMED).in_archive(history, AT) is kept


def test_a_time_to_come_is_not_in_the_archive() -> None:
    history, goal = History(1, {}), at_moment("prod", AT)
    assert goal.in_archive(history, AT + timedelta(microseconds=1))
    assert not goal.in_archive(history, AT)


def test_the_mark_of_an_upgrade_keeps_it_for_who_chooses_the_cluster() -> None:
    mark = Upgrade(old="1.16.1", new="1.17.1", point="p", proved="", named=NAMED)
    read = Upgrade.model_validate_json(mark.model_dump_json())
    assert read.to("cluster") == NAMED and read.to("point") is None
    assert read.unsaved_s == 0
