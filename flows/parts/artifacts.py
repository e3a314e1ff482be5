"""What people look at after a run: tables and links, as Prefect artifacts."""

from flows.parts import recording
from flows.parts.markdown import plain
from flows.parts.report import Report, blocked_rows, check_rows, plan_rows, step_rows
from tasks.core.site import Site


def publish_plan(report: Report, *, work: str = "a deploy") -> None:
    """Leave what the work would change, and what is in its way."""
    key = report.environment.replace("_", "-")
    what = ". ".join([f"{report.would_change(work)}: {report.counted}", *report.notes])
    recording.table(f"plan-{key}", plan_rows(report.outcomes), what)
    if report.blocked:
        recording.table(f"in-the-way-{key}", blocked_rows(report.outcomes), report.in_the_way(work))


def publish(report: Report, site: Site) -> None:
    """Leave the run's artifacts: changes, steps, verification, links."""
    key = site.name.replace("_", "-")
    changes = plan_rows(report.outcomes)
    recording.table(f"changes-{key}", changes, f"What this deploy of {key} changed")
    recording.table(f"steps-{key}", step_rows(report.outcomes), f"Steps of this deploy of {key}")
    if report.checks:
        proved = check_rows(report.checks)
        recording.table(f"verification-{key}", proved, f"What was proved of {key}")
    recording.text(f"links-{key}", summary(report, site), f"{key} at a glance")


def summary(report: Report, site: Site) -> str:
    """The last words of a deploy, as Markdown."""
    lines = [
        f"# {site.name}: Dify {site.release.version}",
        f"- Open [{report.url}]({report.url}) and log in as `{site.environment.dify.admin_email}`",
        f"- {report.changes} changes in {report.seconds:.1f} s",
    ]
    lines += [f"- **Note:** {plain(note)}" for note in report.notes]
    if report.rehearsal:
        lines.append(
            "- **Rehearsal images**: this is not Dify itself but a local stand-in for: "
            + plain(", ".join(report.rehearsal))
        )
    return "\n".join(lines)
