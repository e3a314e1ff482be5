"""What a cell's tests came to, as data for the page of what runs with what."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from config.load import ROOT
from tests.matrix.cells import CELLS, subject_of

RESULTS = ROOT / "config/matrix.json"

Results = dict[str, dict[str, Any]]


def read() -> Results:
    """`cells`: by name, the engines and what the tests came to; `distributions`: what was run."""
    return json.loads(RESULTS.read_text())


def record_cell(name: str, engines: dict[str, str], report: Path) -> None:
    found = read()
    cells = found["cells"] | {name: {"on": _today(), "engines": engines,
                                     "subjects": counted(report)}}  # fmt: skip
    known = [cell.name for cell in CELLS]
    found["cells"] = {name: cells[name] for name in known if name in cells}
    _write(found)


def record_distribution(name: str, ran: str) -> None:
    found = read()
    found["distributions"][name] = {"on": _today(), "ran": ran}
    _write(found)


def counted(report: Path) -> dict[str, dict[str, int]]:
    """Of pytest's JUnit file: subject → how many passed, failed and were skipped."""
    found: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        file = str(case.get("classname")).replace(".", "/") + ".py"
        found.setdefault(subject_of(file), Counter())[_outcome(case)] += 1
    return {subject: dict(sorted(counts.items())) for subject, counts in found.items()}


def failures(report: Path) -> list[str]:
    """The names of the tests that failed."""
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314
    return [f"{case.get('classname')}::{case.get('name')}"
            for case in cases if _outcome(case) == "failed"]  # fmt: skip


def _write(results: Results) -> None:
    """The whole file, or the one before."""
    fresh = RESULTS.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=2) + "\n")
    fresh.replace(RESULTS)


def _today() -> str:
    return str(datetime.now(UTC).date())


def _outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"
