from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.load import load_environment
from config.rules.restore_point import Point
from config.rules.retention import Proof, kept, let_go

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def point(created: datetime, reason: str = "schedule", release: str = "1.15.0") -> Point:
    return Point(created.isoformat(), created, reason, release, 100, 1, 1.0, "m", ())


@pytest.fixture
def backup(environment, changed):
    def rules(last=1, daily=0, weekly=0, monthly=0):
        keep = environment.backup.model_dump()["keep"]
        keep |= {"last": last, "daily": daily, "weekly": weekly, "monthly": monthly}
        return changed(environment, backup={"keep": keep}).backup

    return rules


def days(count: int) -> list[Point]:
    """One point a day, newest today."""
    return [point(NOON - timedelta(days=age)) for age in range(count)]


def test_the_last_of_each_day_week_and_month_stays(backup):
    points = [*days(70), point(NOON - timedelta(hours=3))]
    keep = {
        p.created.date().isoformat()
        for p in points
        if p.id in kept(points, backup(1, 3, 2, 3), NOON, None)
    }
    assert keep == {"2026-11-24", "2026-11-23", "2026-11-22", "2026-10-31", "2026-09-30"}
    assert point(NOON - timedelta(hours=3)).id not in kept(points, backup(1, 3, 2, 3), NOON, None)


def test_a_gap_does_not_use_up_what_is_kept(backup):
    points = [point(NOON), point(NOON - timedelta(days=200)), point(NOON - timedelta(days=300))]
    assert len(kept(points, backup(1, 3), NOON, None)) == 3


@given(
    st.lists(st.integers(0, 5_000_000), min_size=1, unique=True),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_the_newest_is_never_let_go_and_keeping_is_stable(ages, last, daily):
    backup = load_environment("prod").backup
    rules = {"last": last, "daily": daily, "weekly": 1, "monthly": 1}
    backup = backup.model_copy(update={"keep": backup.keep.model_copy(update=rules)})
    points = [point(NOON - timedelta(minutes=age)) for age in ages]
    keep = kept(points, backup, NOON, None)
    assert max(points, key=lambda p: p.created).id in keep
    assert len(keep) >= min(last, len(points))
    left = [p for p in points if p.id in keep]
    assert kept(left, backup, NOON, None) == keep


def before(change: str, days_ago: float, release: str = "1.13.2") -> Point:
    return point(NOON - timedelta(days=days_ago), f"before-{change}", release)


@pytest.mark.parametrize("change", ["upgrade", "restore", "adoption"])
def test_a_point_before_a_change_stays_until_that_is_proved_and_days_have_gone_by(backup, change):
    old = before(change, 15)
    points = [old, *days(3)]
    proof = Proof(NOON - timedelta(days=14.9), "1.15.0")
    assert kept(points, backup(1), NOON, None)[old.id] == f"until the {change} is proved"
    early = Proof(NOON - timedelta(days=15.1), "1.15.0")
    assert kept(points, backup(1), NOON, early)[old.id] == f"until the {change} is proved"
    assert old.id not in kept(points, backup(1), NOON, proof)
    assert let_go(old, backup(1)) == f"the {change} is proved, and 14 days have gone by"
    young = before(change, 13)
    proof = Proof(NOON - timedelta(days=12.9), "1.15.0")
    why = kept([young, *days(3)], backup(1), NOON, proof)[young.id]
    assert why == f"before-{change}, until 2026-11-25"


def test_an_upgrade_is_not_proved_by_the_release_that_ran_before_it(backup):
    old = before("upgrade", 15, "1.13.2")
    same, other = (Proof(NOON - timedelta(days=1), release) for release in ("1.13.2", "1.15.0"))
    assert old.id in kept([old, *days(3)], backup(1), NOON, same)
    assert old.id not in kept([old, *days(3)], backup(1), NOON, other)


def test_points_before_a_change_take_nobodys_place(backup):
    """The way back was pruned six minutes later, by the third later point of the same day."""
    minutes = [timedelta(minutes=count) for count in range(1, 4)]
    way_back = point(NOON, "before-upgrade")
    later = [point(NOON + each, "before-restore") for each in minutes]
    by_hand = [point(NOON + each - timedelta(seconds=9), "asked") for each in minutes]
    keep = kept([way_back, *later, *by_hand], backup(2), NOON + timedelta(hours=1), None)
    assert keep == {
        later[2].id: "until the restore is proved",
        by_hand[2].id: "one of the last 2",
        by_hand[1].id: "one of the last 2",
        way_back.id: "until the upgrade is proved",
        later[1].id: "until the restore is proved",
        later[0].id: "until the restore is proved",
    }


def test_the_newest_stays_even_if_nothing_asks_for_it(backup):
    proof = Proof(NOON, "1.15.0")
    newest = before("restore", 20)
    assert kept([before("restore", 30), newest], backup(1), NOON, proof) == {
        newest.id: "the newest"
    }
