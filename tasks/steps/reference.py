"""The table of steps as docs/reliability.md shows it: `python -m tasks.steps.reference`."""

from tasks.steps.table import DAY_S, HOUR_S, MINUTE_S, TABLE, Row

UNITS = ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min"))


def rows() -> str:
    """One line a step, in the order of a rollout."""
    head = ["| Step | Does | Waits for | Limit | Tried again |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, TABLE)]) + "\n"


def _row(row: Row) -> str:
    after = ", ".join(row.after) or "–"
    cells = (row.name, row.description, after, _span(row.within_s), "yes" if row.retries else "no")
    return f"| {' | '.join(cells)} |"


def _span(seconds: float) -> str:
    size, unit = next(each for each in UNITS if seconds >= each[0])
    return f"{seconds / size:g} {unit}"


if __name__ == "__main__":
    print(rows(), end="")  # noqa: T201
