"""`rollout adopt`: what it would do is shown, and asked about."""

from typing import Any

import typer

from cli import output, runs
from cli.approve import approved_work, somebody_is_asked
from cli.bars import bars
from cli.output import in_s, json_line, say, table
from flows.parts.adopt_report import AdoptReport, part_rows
from flows.parts.report import check_rows

BACK = "Stop {}, and start the other Dify again?"
FINISH = "Remove the containers of the Dify that {} took over? There is no way back then."


def adopt(
    environment: str, *, reason: str, dry_run: bool, yes: bool, as_json: bool, **what: Any
) -> int:
    """The exit status: of a plan alone as `rollout plan` has it."""
    back, finish = what["back"], what["finish"]
    if dry_run:
        plan = runs.plan_adoption(environment, **what)
        output.plan(plan, as_json=as_json, work="an adoption")
        return 1 if plan.blocked else 2 if plan.changes else 0
    given = {"reason": reason}
    if back or finish:
        given["confirm"] = _confirmed(environment, BACK if back else FINISH, yes=yes)
    else:
        given["approved_plan"] = approved_work(
            environment,
            lambda: runs.plan_adoption(environment, **what),
            work="an adoption",
            question=f"Take it over as {environment} exactly so?",
            yes=yes,
        )
    with bars(shares=True):
        report = runs.adopt(environment, **what, **given)
    _print(report, as_json=as_json)
    return 0


def _confirmed(environment: str, question: str, *, yes: bool) -> str:
    """The environment's name, once somebody has said that this is meant."""
    if somebody_is_asked(environment, yes=yes):
        typer.confirm(question.format(environment), abort=True)
    return environment


def _print(report: AdoptReport, *, as_json: bool) -> None:
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "work": report.work,
                "project": report.project,
                "folder": report.folder,
                "release": report.release,
                "point": report.point,
                "proved": report.proved,
                "parts": part_rows(report),
                "downtime_s": in_s(report.away_s),
                "checks": check_rows(report.checks),
                "notes": list(report.notes),
                "seconds": in_s(report.seconds),
            }
        )
        return
    if report.parts:
        table(part_rows(report), f"{report.environment}: adopt in {report.seconds:.1f} s")
    for note in report.notes:
        say(f"note: {note}")
    if report.checks:
        say(f"nobody could use Dify for {report.away_s:.1f} s")
    say(f"restore point {report.point}, {report.proved}")
    say(f"{report.environment}: Dify {report.release} in {report.folder}: {report.work}")
