"""`rollout upgrade` and `rollout rollback`: what they would do is shown, and asked about."""

import sys
from typing import Any

import typer

from cli import output, runs
from cli.approve import approved_work
from cli.bars import bars
from cli.output import in_s, json_line, say, table
from config.errors import RolloutError
from flows.parts.report import check_rows
from flows.parts.upgrade_report import UpgradeReport, part_rows


def upgrade(
    environment: str,
    *,
    reason: str,
    dry_run: bool,
    rehearse: bool,
    yes: bool,
    as_json: bool,
    **what: Any,
) -> int:
    """The exit status: of a plan alone as `rollout plan` has it."""
    if rehearse:
        rehearsal(environment, to=what["to"], as_json=as_json)
        return 0
    if dry_run:
        plan = runs.plan_upgrade(environment, **what)
        output.plan(plan, as_json=as_json, work="an upgrade")
        return 1 if plan.blocked else 2
    name = approved_work(
        environment,
        lambda: runs.plan_upgrade(environment, **what),
        work="an upgrade",
        question=f"Upgrade {environment} exactly so?",
        yes=yes,
    )
    with bars(shares=True):
        report = runs.upgrade(environment, reason=reason, approved_plan=name, **what)
    _print(report, "upgrade", as_json=as_json)
    return 0


def rehearsal(environment: str, *, to: str, as_json: bool) -> None:
    with bars(shares=True):
        report = runs.rehearsal(environment, to=to)
    if report is None:
        raise RolloutError(f"no release of config/releases is newer than what {environment} runs")
    _print(report, "rehearsal", as_json=as_json)


def rollback(environment: str, *, reason: str, yes: bool, as_json: bool) -> None:
    from tasks.upgrades.stages import NotConfirmed

    confirm = environment if yes else ""
    try:
        report = _back(environment, confirm, reason)
    except NotConfirmed as error:
        if not sys.stdin.isatty():
            raise
        say(str(error))
        report = _back(environment, typer.prompt("The environment's name"), reason)
    _print(report, "rollback", as_json=as_json)


def _back(environment: str, confirm: str, reason: str) -> UpgradeReport:
    with bars(shares=True):
        return runs.rollback(environment, confirm=confirm, reason=reason)


def _print(report: UpgradeReport, work: str, *, as_json: bool) -> None:
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "from": report.old,
                "to": report.new,
                "point": report.point,
                "proved": report.proved,
                "parts": part_rows(report),
                "downtime_s": in_s(report.downtime_s),
                "checks": check_rows(report.checks),
                "notes": list(report.notes),
                "unsaved_s": in_s(report.unsaved_s),
                "seconds": in_s(report.seconds),
            }
        )
        return
    table(part_rows(report), f"{report.environment}: {work} in {report.seconds:.1f} s")
    say(f"timeline: artifact {work}-{report.environment.replace('_', '-')} of the run, in the UI")
    for note in report.notes:
        say(f"note: {note}")
    if work == "rehearsal":
        say(f"nobody could use Dify for about {report.downtime_s:.0f} s; point {report.point}")
        return
    say(f"nobody could use Dify for {report.downtime_s:.1f} s; restore point {report.point}")
    say(f"{report.environment} runs Dify {report.new}")
