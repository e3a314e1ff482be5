"""What people look at after a restore."""

from dataclasses import dataclass

from config.rules.finding import Finding
from flows.parts import recording
from flows.parts.markdown import plain
from flows.parts.report import check_rows


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored and how it was proved; `seconds` is the whole run."""

    environment: str
    point: str
    parts: tuple[str, ...]
    safety: str
    notes: tuple[str, ...]
    checks: tuple[Finding, ...]
    seconds: float


def publish(report: RestoreReport) -> None:
    key = report.environment.replace("_", "-")
    lines = [
        f"# {key} is at {report.point}",
        f"- restored: {', '.join(report.parts)} in {report.seconds:.1f} s",
        f"- what was there before: {report.safety or 'nothing'}",
        *(f"- {plain(note)}" for note in report.notes),
        *(f"- {row['check']}: {row['result']}" for row in check_rows(report.checks)),
    ]
    recording.text(f"restore-{key}", "\n".join(lines), "What came back")
