"""Readings against limits."""

import pytest

from config.rules.finding import Reading, Status, judge, rounded, worst

OK, UNKNOWN, WARN, FAIL = Status.OK, Status.UNKNOWN, Status.WARN, Status.FAIL


@pytest.mark.parametrize(
    ("value", "limits", "status"),
    [
        (0.0, (75, 90), OK),
        (74.9, (75, 90), OK),
        (75.0, (75, 90), WARN),
        (90.0, (75, 90), FAIL),
        (1000.0, (75, 90), FAIL),
        (30.0, (21, 7), OK),
        (21.0, (21, 7), WARN),
        (7.0, (21, 7), FAIL),
        (-1.0, (21, 7), FAIL),
        (5.0, (5, 5), FAIL),
        (4.9, (5, 5), OK),
        (None, (75, 90), UNKNOWN),
    ],
)
def test_a_value_is_judged_by_its_limits(value: float | None, limits: tuple, status: Status):
    found = judge(Reading("disk", "used", value, "%", limits, advice="make room"))
    assert found.status is status
    assert found.advice == ("" if status is OK else "make room")


def test_without_limits_the_reading_says_how_it_is():
    assert judge(Reading("pgvector", "absent", status=FAIL)).status is FAIL


def test_threshold_and_value_are_shown_with_their_unit():
    high = judge(Reading("disk", "used", 12.345, "%", (75, 90)))
    low = judge(Reading("certificate", "left", 12.0, "days", (21, 7)))
    assert (high.measured, high.threshold) == ("12.3 %", "75 / 90 %")
    assert low.threshold == "below 21 / 7 days"
    assert judge(Reading("pgvector", "0.8")).threshold == ""


def test_unknown_is_worse_than_ok_and_better_than_a_warning():
    assert worst([OK, UNKNOWN]) is UNKNOWN
    assert worst([UNKNOWN, WARN]) is WARN
    assert worst([WARN, FAIL, OK]) is FAIL
    assert worst([]) is OK


@pytest.mark.parametrize(("value", "shown"), [(0.12345, "0.123"), (12345.6, "12346"), (5, "5")])
def test_values_are_rounded_as_people_read_them(value: float, shown: str):
    assert rounded(value) == shown
