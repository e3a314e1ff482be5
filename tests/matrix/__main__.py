"""`python -m tests.matrix [CELL or SUBJECT…] [-- PYTEST OPTION…]` runs cells, one after another.

Each runs on a machine of its own, and what it found is written to config/matrix.json; a subject
that was not run has no result there. The exit status is that of the worst.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from config.load import ROOT
from tests.matrix import machine, results
from tests.matrix.base import saved, with_base
from tests.matrix.cells import CELLS, OMITTED, SUBJECTS, Cell
from tests.matrix.suite import fetched

PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "--numprocesses",
    "2",
    "--dist",
    "loadgroup",
    "-p",
    "no:cacheprovider",
)


def main(words: Sequence[str]) -> int:
    names, options = _split(words)
    cells, subjects = chosen(names)
    os.chdir(ROOT)
    # SIGTERM ends the cell that runs, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    files = [*chain(*(SUBJECTS[name] for name in subjects))]
    return max(_run(cell, files, options) for cell in cells)


def chosen(names: Sequence[str]) -> tuple[list[Cell], list[str]]:
    """The cells and the subjects that the names are of; of a kind that none is of, all."""
    known = [*(cell.name for cell in CELLS), *SUBJECTS]
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no cell or subject {unknown[0]!r}; expected one of {'; '.join(known)}")
    return (
        [cell for cell in CELLS if cell.name in names] or list(CELLS),
        [name for name in SUBJECTS if name in names] or list(SUBJECTS),
    )


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def _run(cell: Cell, files: Sequence[str], options: Sequence[str]) -> int:
    """Given options narrow the tests down: nothing is written then."""
    print(f"== {cell.name}", flush=True)
    if cell.suite:
        fetched(cell.suite)
    tests = options or [*files, "-k", f"not ({' or '.join(OMITTED)})"]
    with tempfile.TemporaryDirectory(prefix="rollout-matrix-") as folder:
        report, engines = Path(folder, "report.xml"), Path(folder, "engines.json")
        status = machine.run(
            with_base(saved(Path(folder)), [*PYTEST, f"--junitxml={report}", *tests]),
            suite=cell.suite,
            redis=cell.redis,
            daemon=cell.daemon,
            variables={
                "CI": "true",
                "ROLLOUT_TEST_POSTGRES": str(cell.postgres),
                "ROLLOUT_TEST_ENGINES": str(engines),
            },
        )
        if report.exists() and not options:
            _record(cell, json.loads(engines.read_text()), report)
    return status


def _record(cell: Cell, engines: dict[str, str], report: Path) -> None:
    if "containerd" in cell.daemon:
        engines["Docker Engine"] += " (containerd's image store)"
    results.record_cell(cell.name, engines, report)
    for name in results.failures(report):
        print(f"failed in {cell.name}: {name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
