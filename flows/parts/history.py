"""What the history of an environment is made of: labels on its runs, and events."""

from typing import Any

from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.runtime import deployment, flow_run

from flows.parts.approval import Approved
from flows.parts.report import Report
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
    emit_event(
        event="rollout.deploy.completed",
        resource={"prefect.resource.id": f"rollout.environment.{report.environment}"},
        payload={
            "environment": report.environment,
            "release": report.release,
            "run": report.run,
            "changes": report.changes,
            "checks": len(report.checks),
            "seconds": round(report.seconds, 1),
        },
    )


def _label(**values: str | int) -> None:
    labels: dict[str, Any] = {PREFIX + name: value for name, value in values.items()}
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(flow_run.id, labels)  # pyright: ignore
