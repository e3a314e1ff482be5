"""What a subcommand prints on stdout: a table for people, or JSON alone."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from config.load import load_environment
from flows.parts.report import Report, blocked_rows, check_rows, plan_rows, step_rows

# Nobody wraps lines where no terminal is: a log or a pager shows them whole.
PIPED_WIDTH = 160


def plan(report: Report, *, as_json: bool, work: str = "a deploy") -> None:
    rows, blocked = plan_rows(report.outcomes), blocked_rows(report.outcomes)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "changes": rows,
                "in_the_way": blocked,
                "notes": list(report.notes),
                "seconds": in_s(report.seconds),
            }
        )
        return
    if rows:
        table(rows, report.would_change(work))
    if blocked:
        table(blocked, report.in_the_way(work))
    note(report)
    took = f"{report.seconds:.1f} s"
    say(f"{report.counted}; nothing was applied ({took}); plan {report.fingerprint}")


def deploy(report: Report, *, as_json: bool) -> None:
    rows = step_rows(report.outcomes)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "run": report.run,
                "steps": rows,
                "changes": report.changes,
                "notes": list(report.notes),
                "seconds": in_s(report.seconds),
            }
        )
        return
    table(rows, f"{report.environment}: {report.changes} changes in {report.seconds:.1f} s")
    note(report)
    closing(report.environment, list(report.rehearsal))


def verify(report: Report, *, as_json: bool) -> None:
    rows = check_rows(report.checks)
    if as_json:
        json_line(
            {"environment": report.environment, "checks": rows, "seconds": in_s(report.seconds)}
        )
        return
    table(rows, f"{report.environment}: {len(rows)} checks passed in {report.seconds:.1f} s")


def note(report: Report) -> None:
    for line in report.notes:
        say(f"note: {line}")


def closing(name: str, rehearsal: list[str], prefect: str = "") -> None:
    """The last lines of a deploy: where to go and how to log in."""
    environment = load_environment(name)
    say(f"Dify     {environment.public_url}")
    if prefect:
        say(f"Prefect  {prefect}")
    say(
        f"Log in   {environment.dify.admin_email}, "
        f"password: uv run rollout secrets {name} admin_password"
    )
    if rehearsal:
        say("REHEARSAL: stand-ins built on this machine, not Dify: " + ", ".join(rehearsal))


def table(rows: list[dict[str, Any]], title: str) -> None:
    table = Table()
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    # A title of the table's own would be as narrow as the table.
    console.print(title, style="italic", soft_wrap=True, highlight=False, markup=False)
    console.print(table)


def say(line: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(line)


def json_line(content: dict[str, Any]) -> None:
    print(json.dumps(content))  # noqa: T201


def in_s(seconds: float) -> float:
    return round(seconds, 2)
