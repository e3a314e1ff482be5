"""What the history of an environment is made of: labels on its runs, and events."""

from prefect.runtime import deployment

from flows.parts import recording
from flows.parts.adopt_report import AdoptReport
from flows.parts.approval import Approved
from flows.parts.report import Report
from flows.parts.upgrade_report import UpgradeReport
from tasks.core.origin import commit, operator
from tasks.core.site import Site

PREFIX = "rollout."


def begin(site: Site, *, reason: str) -> None:
    """Who started the run from which commit: known even of a run that dies."""
    by = "Prefect" if deployment.id else operator()  # pyright: ignore[reportAttributeAccessIssue]
    _label(release=site.release.version, commit=commit(), by=by, reason=reason)


def approve(who: Approved) -> None:
    _label(approved_by=who.by, reason=who.reason)


def end(report: Report) -> None:
    """What came of it; the event is what automations and dashboards listen to."""
    _label(changes=report.changes, checks=len(report.checks))
    recording.event(
        "rollout.deploy.completed",
        f"rollout.environment.{report.environment}",
        {
            "environment": report.environment,
            "release": report.release,
            "run": report.run,
            "changes": report.changes,
            "checks": len(report.checks),
            "seconds": round(report.seconds, 1),
        },
    )


def hop(old: str, new: str) -> None:
    """From which release to which: known even of a run that dies."""
    _label(upgrade=f"{old} → {new}")


def upgraded(report: UpgradeReport) -> None:
    """The point there is to go back to, and which release serves in the end."""
    _label(
        upgrade=f"{report.old} → {report.new}",
        result=f"{report.serves} serves" if report.serves else "half-way",
        point=report.point,
        checks=len(report.checks),
        downtime_s=round(report.downtime_s),
    )


def adopted(report: AdoptReport) -> None:
    """The point of the other Dify as it was, and what was done with it."""
    _label(
        result=f"{report.folder}: {report.work}",
        point=report.point,
        checks=len(report.checks),
        downtime_s=round(report.away_s),
    )


def _label(**values: str | int) -> None:
    recording.label({PREFIX + name: value for name, value in values.items()})
