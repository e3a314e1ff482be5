"""The matrix as data, and what is counted of a run."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from config.load import ROOT
from tests.matrix import results
from tests.matrix.__main__ import chosen
from tests.matrix.cells import CELLS, DAILY, SUBJECTS, subject_of
from tests.matrix.daily import of_the_day
from tests.matrix.results import counted, failures, record_cell

REPORT = """<testsuites><testsuite>
<testcase classname="tests.integration.test_redis" name="a"/>
<testcase classname="tests.integration.test_redis" name="b"><failure message="x"/></testcase>
<testcase classname="tests.integration.images.test_pull" name="c"><error message="x"/></testcase>
<testcase classname="tests.integration.images.test_pull" name="d"><skipped message="x"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize("place", [file for files in SUBJECTS.values() for file in files])
def test_what_a_subject_names_is_there(place: str) -> None:
    assert (ROOT / place).exists()


def test_cells_are_told_apart_by_name_and_every_kind_of_engine_is_in_one() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert {cell.postgres for cell in CELLS} == {16, 17, 18}
    assert {cell.redis for cell in CELLS} == {"redis", "valkey"}


def test_tests_are_counted_by_subject(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert counted(report) == {
        "Redis": {"failed": 1, "passed": 1},
        "images, bundles, proxy": {"failed": 1, "skipped": 1},
    }
    assert failures(report) == [
        "tests.integration.test_redis::b",
        "tests.integration.images.test_pull::c",
    ]


def test_a_file_of_no_subject_is_a_mistake() -> None:
    with pytest.raises(StopIteration):
        subject_of("tests/integration/test_other.py")


@pytest.mark.parametrize(
    ("names", "cells", "subjects"),
    [
        ([], [cell.name for cell in CELLS], list(SUBJECTS)),
        (["debian-13"], ["debian-13"], list(SUBJECTS)),
        (["health", "debian-12", "Redis"], ["debian-12"], ["Redis", "health"]),
    ],
)
def test_cells_and_subjects_are_chosen_by_name(
    names: list[str], cells: list[str], subjects: list[str]
) -> None:
    found, kinds = chosen(names)
    assert ([cell.name for cell in found], kinds) == (cells, subjects)


def test_a_name_of_neither_ends_the_command() -> None:
    with pytest.raises(SystemExit, match="no cell or subject 'debian-11'; expected"):
        chosen(["debian-11"])


def test_what_is_run_each_day_is_there_and_part_of_a_subject() -> None:
    for test in DAILY:
        file, _, name = test.partition("::")
        assert subject_of(file)
        assert not name or f"def {name}(" in (ROOT / file).read_text()


def test_each_cell_with_engines_of_its_own_has_its_day() -> None:
    days = [date(2026, 12, 30) + timedelta(days=more) for more in range(3)]
    assert {of_the_day(day) for day in days} == {cell for cell in CELLS if cell.suite}


@pytest.mark.parametrize(
    ("redis", "kept"), [("8.0.2", ["deploy", "images, bundles, proxy", "Redis"]),
                        ("8.0.3", ["images, bundles, proxy", "Redis"])],
)  # fmt: skip
def test_a_subject_that_was_not_run_keeps_its_result_while_the_engines_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: str, kept: list[str]
) -> None:
    before = {"on": "2026-01-01", "passed": 7}
    cell = {"engines": {"Redis": "8.0.2"}, "subjects": {"deploy": before, "Redis": before}}
    monkeypatch.setattr(results, "RESULTS", tmp_path / "matrix.json")
    results.RESULTS.write_text(json.dumps({"cells": {"debian-13": cell}, "distributions": {}}))
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    record_cell("debian-13", {"Redis": redis}, report)
    found = results.read()["cells"]["debian-13"]["subjects"]
    assert list(found) == kept
    assert found["Redis"].items() >= {"failed": 1, "passed": 1}.items()
    assert found["Redis"]["on"] > "2026-01-01"
