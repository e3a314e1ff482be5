"""What people look at after a drill."""

from dataclasses import dataclass

from config.pictures.trend import size
from flows.parts import recording
from flows.parts.markdown import plain
from flows.parts.report import check_rows
from tasks.points.drill import Drill


@dataclass(frozen=True, slots=True)
class DrillReport:
    """A drill that went well."""

    environment: str
    drill: Drill


def publish(report: DrillReport) -> None:
    key, drill = report.environment.replace("_", "-"), report.drill
    lines = [
        f"# {drill.point} of {key} comes back",
        f"- **RPO** {drill.rpo_s / 3600:.1f} h: what came after the point would be lost",
        f"- **RTO** {drill.rto_s:.0f} s for {size(drill.size)}: from the start until it was proved",
        "",
        "| check | detail | seconds |",
        "|---|---|---|",
        *(
            f"| {r['check']} | {plain(r['detail'])} | {r['seconds']} |"
            for r in check_rows(drill.checks)
        ),
    ]
    recording.text(f"drill-{key}", "\n".join(lines), "The last drill")
