"""What people look at after an adoption, or its way back."""

from dataclasses import dataclass
from typing import Any

from config.rules.finding import Finding
from flows.parts import recording
from flows.parts.report import check_rows
from tasks.core.adoption_mark import Adoption


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """The Dify of a compose project in a folder, taken over; or `work` says what else was done.

    `parts`: how many seconds each took, in order. `away_s`: from its stop, some
    seconds after the page of maintenance came up, until this environment had passed its checks.
    """

    environment: str
    work: str
    project: str
    folder: str
    release: str
    point: str
    proved: str
    away_s: float = 0.0
    seconds: float = 0.0
    parts: tuple[tuple[str, float], ...] = ()
    checks: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def report_of(environment: str, mark: Adoption, work: str, **more: Any) -> AdoptReport:
    """Of the adoption that has this mark."""
    return AdoptReport(
        environment,
        work,
        mark.project,
        mark.folder,
        mark.version,
        mark.point,
        mark.proved,
        away_s=mark.downtime_s,
        **more,
    )


def part_rows(report: AdoptReport) -> list[dict[str, Any]]:
    return [{"part": name, "seconds": seconds} for name, seconds in report.parts]


def publish(report: AdoptReport) -> None:
    key = report.environment.replace("_", "-")
    recording.table(f"adopt-parts-{key}", part_rows(report), "How long each part of it took")
    recording.text(f"adopt-{key}", "\n".join(lines(report)), f"{report.folder}: {report.work}")


def lines(report: AdoptReport) -> list[str]:
    """The last words of an adoption, as Markdown."""
    return [
        f"# {report.environment}: Dify {report.release} in {report.folder}: {report.work}",
        f"- restore point {report.point}, {report.proved}",
        *([f"- nobody could use Dify for {report.away_s:.1f} s"] if report.checks else []),
        *(f"- {note}" for note in report.notes),
        *(f"- {row['check']}: {row['result']}" for row in check_rows(report.checks)),
    ]
