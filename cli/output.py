"""What a subcommand prints on stdout: a table for people, or JSON alone."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from config.load import load_environment
from flows.drill_report import DrillReport
from flows.points_report import PointsReport, point_rows
from flows.report import Report, check_rows, plan_rows, step_rows
from flows.restore_report import RestoreReport

# Nobody wraps lines where no terminal is: a log or a pager shows them whole.
PIPED_WIDTH = 160


def plan(report: Report, *, as_json: bool) -> None:
    rows = plan_rows(report.outcomes)
    if as_json:
        json_line(
            {"environment": report.environment, "changes": rows, "seconds": _s(report.seconds)}
        )
        return
    if rows:
        table(rows, f"What a deploy of {report.environment} would change")
    took = f"{report.seconds:.1f} s"
    say(f"{len(rows)} changes; nothing was applied ({took}); plan {report.fingerprint}")


def deploy(report: Report, *, as_json: bool) -> None:
    rows = step_rows(report.outcomes)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "run": report.run,
                "steps": rows,
                "changes": report.changes,
                "seconds": _s(report.seconds),
            }
        )
        return
    table(rows, f"{report.environment}: {report.changes} changes in {report.seconds:.1f} s")
    closing(report.environment, list(report.rehearsal))


def verify(report: Report, *, as_json: bool) -> None:
    rows = check_rows(report.checks)
    if as_json:
        json_line(
            {"environment": report.environment, "checks": rows, "seconds": _s(report.seconds)}
        )
        return
    table(rows, f"{report.environment}: {len(rows)} checks passed in {report.seconds:.1f} s")


def points(report: PointsReport, *, as_json: bool) -> None:
    rows = point_rows(report)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "made": report.made,
                "checked": report.checked,
                "pruned": list(report.pruned),
                "warnings": list(report.warnings),
                "points": rows,
                "seconds": _s(report.seconds),
            }
        )
        return
    if rows:
        table(rows, f"Restore points of {report.environment}")
    for warning in report.warnings:
        say(f"warning: {warning}")
    say(f"{len(rows)} restore points" + (f"; made {report.made}" if report.made else ""))


def restore(report: RestoreReport, *, as_json: bool) -> None:
    rows = check_rows(report.checks)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "point": report.point,
                "parts": list(report.parts),
                "safety": report.safety,
                "notes": list(report.notes),
                "checks": rows,
                "seconds": _s(report.seconds),
            }
        )
        return
    if rows:
        table(rows, f"{report.environment}: {len(rows)} checks passed")
    for note in report.notes:
        say(f"note: {note}")
    if report.safety:
        say(f"What was there before: rollout restore {report.environment} {report.safety}")
    say(f"{report.environment} is at {report.point} ({report.seconds:.1f} s)")


def drill(report: DrillReport, *, as_json: bool) -> None:
    done, rows = report.drill, check_rows(report.drill.checks)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "point": done.point,
                "rpo_s": _s(done.rpo_s),
                "rto_s": _s(done.rto_s),
                "checks": rows,
            }
        )
        return
    table(rows, f"{report.environment}: {len(rows)} checks passed")
    say(f"{done.point} comes back: RPO {done.rpo_s / 3600:.1f} h, RTO {done.rto_s:.0f} s")


def closing(name: str, rehearsal: list[str], prefect_url: str = "") -> None:
    """The last lines of a deploy: where to go and how to log in."""
    environment = load_environment(name)
    say(f"Dify     {environment.public_url}")
    if prefect_url:
        say(f"Prefect  {prefect_url}")
    say(
        f"Log in   {environment.dify.admin_email}, "
        f"password: uv run rollout secrets {name} admin_password"
    )
    if rehearsal:
        say("REHEARSAL: stand-ins built on this machine, not Dify: " + ", ".join(rehearsal))


def table(rows: list[dict[str, Any]], title: str) -> None:
    table = Table(title=title, title_justify="left")
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


def say(line: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(line)


def json_line(content: dict[str, Any]) -> None:
    print(json.dumps(content))  # noqa: T201


def _s(seconds: float) -> float:
    return round(seconds, 2)
