"""Values over time: condensed, bounded, and where they lead."""

import pytest

from config.rules.health.series import DAY_S, HOUR_S, POINTS, Series, days_until

START = 1_700_000_000.0


def rising(days: float, per_day: float, *, first: float = 0.0, every_s: float = 300) -> Series:
    series = Series()
    for turn in range(int(days * DAY_S / every_s)):
        at = START + turn * every_s
        series = series.with_value(at, first + per_day * turn * every_s / DAY_S)
    return series


def test_a_day_is_kept_as_it_was_and_older_hours_as_their_mean():
    series = rising(3, 10)
    newest = series.at[-1]
    recent = [at for at in series.at if at >= newest - DAY_S]
    old = [at for at in series.at if at < newest - DAY_S - HOUR_S]
    assert len(recent) == DAY_S // 300 + 1
    assert all(at % HOUR_S == 0 for at in old)
    assert 47 <= len(old) <= 49


def test_a_month_is_bounded():
    assert len(rising(40, 1, every_s=600).since(0).at) <= POINTS


@pytest.mark.parametrize("per_day", [0.5, 5, 20])
def test_days_until_full_follow_the_slope(per_day: float):
    series = rising(2, per_day, first=10, every_s=900)
    left = (100 - series.values[-1]) / per_day
    assert days_until(series, 100) == pytest.approx(left, rel=0.05)


def test_what_does_not_grow_never_fills():
    assert days_until(rising(2, 0, first=50), 100) is None
    assert days_until(rising(2, -3, first=50), 100) is None


def test_an_hour_is_not_enough_to_tell():
    assert days_until(rising(1 / 24, 50), 100) is None
    assert days_until(Series(), 100) is None


def test_a_clock_that_went_back_starts_anew():
    series = Series().with_value(2000, 1).with_value(1000, 2)
    assert series == Series(at=(1000,), values=(2,))
