"""What the subcommands about restore points print."""

from cli.output import in_s, json_line, say, table
from flows.parts.back_to import LossReport, loss_rows
from flows.parts.drill_report import DrillReport
from flows.parts.points_report import PointsReport, point_rows
from flows.parts.report import check_rows
from flows.parts.restore_report import RestoreReport


def points(report: PointsReport, *, as_json: bool) -> None:
    rows = point_rows(report)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "made": report.made,
                "checked": report.checked,
                "pruned": report.pruned,
                "warnings": list(report.warnings),
                "points": rows,
                "seconds": in_s(report.seconds),
            }
        )
        return
    if rows:
        table(rows, f"Restore points of {report.environment}")
    for warning in report.warnings:
        say(f"warning: {warning}")
    for name, why in report.pruned.items():
        say(f"let go: {name}: {why}")
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
                "seconds": in_s(report.seconds),
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


def loss(report: LossReport, *, as_json: bool) -> None:
    found = report.loss
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "target": found.target.isoformat(),
                "now": found.now.isoformat(),
                "backup": found.backup,
                "lsn": found.lsn,
                "rows": found.rows,
                "points": list(found.points),
                "others": list(found.others),
            }
        )
        return
    table(loss_rows(found), f"What taking {report.environment} back undoes")


def drill(report: DrillReport, *, as_json: bool) -> None:
    done, rows = report.drill, check_rows(report.drill.checks)
    if as_json:
        json_line(
            {
                "environment": report.environment,
                "point": done.point,
                "rpo_s": in_s(done.rpo_s),
                "rto_s": in_s(done.rto_s),
                "checks": rows,
            }
        )
        return
    table(rows, f"{report.environment}: {len(rows)} checks passed")
    say(f"{done.point} comes back: RPO {done.rpo_s / 3600:.1f} h, RTO {done.rto_s:.0f} s")
