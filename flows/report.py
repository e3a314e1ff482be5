"""What people look at after a run: tables and links, as Prefect artifacts."""

from dataclasses import dataclass, field
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.site import Site
from tasks.step import Outcome
from tasks.verify import Check


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did or, in a dry run, would do; `seconds` is the whole run."""

    environment: str
    release: str
    run: str
    url: str
    seconds: float
    outcomes: tuple[Outcome, ...] = ()
    checks: tuple[Check, ...] = ()
    rehearsal: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> int:
        return sum(len(outcome.changes) for outcome in self.outcomes)


def plan_rows(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    """One row a change, in the order of the steps."""
    return [
        {"step": outcome.step, "what": c.what, "before": c.before, "after": c.after}
        for outcome in outcomes
        for c in outcome.changes
    ]


def step_rows(outcomes: tuple[Outcome, ...]) -> list[dict[str, Any]]:
    return [
        {"step": o.step, "changed": len(o.changes), "seconds": round(o.seconds, 2)}
        for o in outcomes
    ]


def check_rows(checks: tuple[Check, ...]) -> list[dict[str, Any]]:
    """Failed checks first: they are what the reader is looking for."""
    return [
        {
            "check": c.name,
            "result": "ok" if c.ok else "FAILED",
            "detail": c.detail,
            "seconds": round(c.seconds, 2),
        }
        for c in sorted(checks, key=lambda c: c.ok)
    ]


def publish(report: Report, site: Site, *, dry_run: bool) -> None:
    """Leave the run's artifacts: plan, steps, verification, links."""
    key = site.name.replace("_", "-")
    if dry_run:
        _table(f"plan-{key}", plan_rows(report.outcomes), f"What a deploy of {key} would change")
        return
    _table(f"changes-{key}", plan_rows(report.outcomes), f"What this deploy of {key} changed")
    _table(f"steps-{key}", step_rows(report.outcomes), f"Steps of this deploy of {key}")
    if report.checks:
        _table(f"verification-{key}", check_rows(report.checks), f"What was proved of {key}")
    create_markdown_artifact(
        markdown=summary(report, site), key=f"links-{key}", description=f"{key} at a glance"
    )


def summary(report: Report, site: Site) -> str:
    """The last words of a deploy, as Markdown."""
    lines = [
        f"# {site.name}: Dify {site.release.version}",
        f"- Open [{report.url}]({report.url}) and log in as `{site.environment.dify.admin_email}`",
        f"- {report.changes} changes in {report.seconds:.1f} s",
    ]
    if report.rehearsal:
        lines.append(
            "- **Rehearsal images**: this is not Dify itself but a local stand-in for: "
            + ", ".join(report.rehearsal)
        )
    return "\n".join(lines)


def _table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    create_table_artifact(table=rows or [{"": "nothing to do"}], key=key, description=description)
