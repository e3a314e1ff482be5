"""The report of an upgrade: the seconds of its parts, how long Dify was away, and what failed."""

import pytest

from flows.parts.upgrade_report import Laps, UpgradeReport, lines, part_rows
from tasks.core.upgrade_mark import Stage, Upgrade

REPORT = UpgradeReport(
    "prod",
    "1.15.0",
    "1.17.1",
    "20261127T023000Z",
    "proved by a drill in 69 s",
    16.64,
    55.9,
    (("stop", 3.09), ("migrate", 1.47)),
    notes=("a note",),
)


def test_a_report_names_both_releases_the_point_and_the_time_without_dify() -> None:
    assert lines(REPORT) == [
        "# prod: Dify 1.15.0 → 1.17.1",
        "- restore point 20261127T023000Z, proved by a drill in 69 s",
        "- nobody could use Dify for 16.6 s",
        "- a note",
    ]
    assert part_rows(REPORT)[1] == {"part": "migrate", "seconds": 1.47}


def test_a_part_that_fails_is_in_the_report_as_well() -> None:
    laps = Laps()
    with pytest.raises(RuntimeError), laps.lap("migrate"):
        raise RuntimeError
    assert [name for name, _ in laps.parts] == ["migrate"]


def test_the_time_without_dify_is_known_once_it_is_open_again() -> None:
    mark = Upgrade(old="1.15.0", new="1.17.1", point="p", proved="")
    assert mark.pending and mark.downtime_s == 0
    stopped = mark.model_copy(update={"stopped": "2026-11-27T10:00:00.500+00:00"})
    assert stopped.downtime_s == 0
    opened = stopped.model_copy(
        update={"opened": "2026-11-27T10:00:17.100+00:00", "stage": Stage.DONE}
    )
    assert opened.downtime_s == pytest.approx(16.6) and not opened.pending
