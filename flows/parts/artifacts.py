"""What people look at after a run: tables and links, as Prefect artifacts."""

from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.parts.report import Report, check_rows, plan_rows, step_rows
from tasks.core.site import Site


def publish_plan(report: Report) -> None:
    key = report.environment.replace("_", "-")
    what = ". ".join([f"What a deploy of {key} would change", *report.notes])
    _table(f"plan-{key}", plan_rows(report.outcomes), what)


def publish(report: Report, site: Site) -> None:
    """Leave the run's artifacts: changes, steps, verification, links."""
    key = site.name.replace("_", "-")
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
    lines += [f"- **Note:** {note}" for note in report.notes]
    if report.rehearsal:
        lines.append(
            "- **Rehearsal images**: this is not Dify itself but a local stand-in for: "
            + ", ".join(report.rehearsal)
        )
    return "\n".join(lines)


def _table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    create_table_artifact(table=rows or [{"": "nothing to do"}], key=key, description=description)
