"""The part of `make test` that runs on engines of a later Debian: a cell a day, in turn.

`python -m tests.matrix.daily [CELL]`: today's, or the one that is named. Nothing is recorded; whole
subjects are run by `make matrix`.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime

from tests.matrix import __main__ as matrix
from tests.matrix.cells import CELLS, DAILY, Cell


def main(words: Sequence[str]) -> int:
    today = datetime.now(UTC).date()
    names = words or [of_the_day(today).name]
    print(f"== engines of {today}; `make test CELL={names[0]}` takes these on any day")
    return matrix.main([*names, "--", *DAILY])


def of_the_day(day: date) -> Cell:
    """One of the cells that have engines of their own; the next one on the next day."""
    later = [cell for cell in CELLS if cell.suite]
    return later[day.toordinal() % len(later)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
