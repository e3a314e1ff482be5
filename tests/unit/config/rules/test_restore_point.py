from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.load import load_environment
from config.pictures.trend import size, svg
from config.rules.restore_point import Manifest, Point, kept, latest, shrunk

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def point(created: datetime, reason: str = "schedule", **more) -> Point:
    values = {"release": "1.15.0", "size": 100, "added": 1, "seconds": 1.0, **more}
    return Point(created.isoformat(), created, reason, manifest="m", snapshots=(), **values)


@pytest.fixture
def backup(environment, changed):
    def rules(last=1, daily=0, weekly=0, monthly=0):
        keys = {"keep_last": last, "keep_daily": daily, "keep_weekly": weekly,
                "keep_monthly": monthly}  # fmt: skip
        return changed(environment, backup=keys).backup

    return rules


def days(count: int) -> list[Point]:
    """One point a day, newest today."""
    return [point(NOON - timedelta(days=age)) for age in range(count)]


def test_the_last_of_each_day_week_and_month_stays(backup):
    points = [*days(70), point(NOON - timedelta(hours=3))]
    keep = {
        p.created.date().isoformat() for p in points if p.id in kept(points, backup(1, 3, 2, 3))
    }
    assert keep == {"2026-11-24", "2026-11-23", "2026-11-22", "2026-10-31", "2026-09-30"}
    assert point(NOON - timedelta(hours=3)).id not in kept(points, backup(1, 3, 2, 3))


def test_a_gap_does_not_use_up_what_is_kept(backup):
    points = [point(NOON), point(NOON - timedelta(days=200)), point(NOON - timedelta(days=300))]
    assert len(kept(points, backup(1, 3))) == 3


@given(
    st.lists(st.integers(0, 5_000_000), min_size=1, unique=True),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_the_newest_is_never_let_go_and_keeping_is_stable(ages, last, daily):
    backup = load_environment("prod").backup.model_copy(
        update={"keep_last": last, "keep_daily": daily, "keep_weekly": 1, "keep_monthly": 1}
    )
    points = [point(NOON - timedelta(minutes=age)) for age in ages]
    keep = kept(points, backup)
    assert max(points, key=lambda p: p.created).id in keep
    assert len(keep) >= min(last, len(points))
    left = [p for p in points if p.id in keep]
    assert kept(left, backup) == keep


def test_what_a_restore_replaced_is_not_the_latest():
    old, replaced = point(NOON), point(NOON + timedelta(hours=1), "before-restore")
    assert latest([old, replaced]) == old
    assert latest([]) is None


def test_half_of_what_was_there_is_suspicious():
    assert shrunk(49, 100, 0.5)
    assert not shrunk(50, 100, 0.5)
    assert not shrunk(0, 0, 0.5)


def test_secrets_are_clear_in_the_repository_only():
    manifest = Manifest(
        point="p", environment="prod", created=NOON, reason="asked", release="1.15.0",
        admin_email="a@b", images={}, versions={}, secrets={"secret_key": SecretStr("s3cret")},
        rendered={}, folders={}, keys={}, rows={}, queues={}, without_file=[], parts=[],
    )  # fmt: skip
    assert "s3cret" not in repr(manifest) + str(manifest.model_dump())
    again = Manifest.model_validate_json(manifest.model_dump_json())
    assert again.secrets["secret_key"].get_secret_value() == "s3cret"


def test_the_trend_shows_every_point():
    picture = svg([point(NOON, size=2_000_000), point(NOON + timedelta(days=1))])
    root = ElementTree.fromstring(picture)  # noqa: S314 - drawn by us
    bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if len(bar)]
    assert len(bars) == 3 * 2
    assert all(0 <= float(bar.get("y", "-1")) <= float(root.get("height", "0")) for bar in bars)
    assert ">2 MB<" in picture and ">1 MB<" in picture
    assert "2026-11-24 12:00 to 2026-11-25 12:00" in picture
    assert "nothing yet" in svg([])
    assert size(1_500_000_000) == "1.5 GB"
