"""Which timelines are the history of a cluster."""

import pytest

from tasks.tools.wal import History, parse_history, place, timeline_of


def test_places_and_timelines_are_numbers() -> None:
    assert place("16/B374D848") == 0x16B374D848
    assert timeline_of("0000000A0000000000000004") == 10


def test_the_first_timeline_has_none_before_it() -> None:
    assert parse_history("00000001") == History(1, {})


def test_a_history_is_written_as_it_is_read() -> None:
    text = "0000000C 1@0/5000090 10@16/B374D848"
    assert str(parse_history(text)) == text
    assert parse_history(text) == History(12, {1: 0x5000090, 10: 0x16B374D848})


@pytest.mark.parametrize(
    ("timeline", "at", "kept"),
    [(3, 1, True), (3, 9000, True), (2, 700, True), (2, 701, False),
     (1, 500, True), (1, 501, False), (4, 1, False)],
)  # fmt: skip
def test_what_came_after_a_timeline_was_left_is_undone(timeline: int, at: int, kept: bool) -> None:
    assert History(3, {1: 500, 2: 700}).has(timeline, at) is kept
