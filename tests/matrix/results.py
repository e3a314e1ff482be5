"""What a cell's tests came to, as data for the page of what runs with what."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from config.load import ROOT
from tests.matrix.cells import CELLS, SUBJECTS, subject_of

RESULTS = ROOT / "config/matrix.json"

Results = dict[str, dict[str, Any]]


def read() -> Results:
    """`cells`: by name, the engines and what the tests came to; `distributions`: what was run."""
    return json.loads(RESULTS.read_text())


def record_cell(name: str, engines: dict[str, str], report: Path) -> None:
    """The subjects of the report replaced; the others stay while the engines are the same."""
    found = read()
    before = found["cells"].get(name, {"engines": engines, "subjects": {}})
    subjects = before["subjects"] if before["engines"] == engines else {}
    subjects |= {subject: {"on": _today(), **counts} for subject, counts in counted(report).items()}
    found["cells"][name] = {"engines": engines, "subjects": _in_order(subjects, list(SUBJECTS))}
    found["cells"] = _in_order(found["cells"], [cell.name for cell in CELLS])
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


def _in_order(found: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}


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
