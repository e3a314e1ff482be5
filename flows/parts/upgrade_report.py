"""What people look at after an upgrade or a rollback."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from config.rules.finding import Finding
from flows.parts import recording
from flows.parts.report import check_rows


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """An upgrade, or its way back. `parts`: how many seconds each took, in order.

    `downtime_s`: from the stop of what writes until the new release had passed its checks.
    """

    environment: str
    old: str
    new: str
    point: str
    proved: str
    downtime_s: float
    seconds: float
    parts: tuple[tuple[str, float], ...] = ()
    checks: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    failed: str = ""


@dataclass(slots=True)
class Laps:
    """Seconds of each part of a run."""

    began: float = field(default_factory=time.monotonic)
    parts: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    @contextmanager
    def lap(self, name: str) -> Generator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.parts.append((name, round(time.monotonic() - began, 2)))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def part_rows(report: UpgradeReport) -> list[dict[str, Any]]:
    return [{"part": name, "seconds": seconds} for name, seconds in report.parts]


def publish(report: UpgradeReport, work: str) -> None:
    """`work` is upgrade or rollback."""
    key = report.environment.replace("_", "-")
    recording.table(f"{work}-parts-{key}", part_rows(report), f"How long each part of {work} took")
    recording.text(f"{work}-{key}", "\n".join(lines(report)), f"{report.old} → {report.new}")


def lines(report: UpgradeReport) -> list[str]:
    """The last words of an upgrade, as Markdown."""
    found = [
        f"# {report.environment}: Dify {report.old} → {report.new}",
        f"- restore point {report.point}, {report.proved}",
        f"- nobody could use Dify for {report.downtime_s:.1f} s",
        *(f"- {note}" for note in report.notes),
        *(f"- {row['check']}: {row['result']}" for row in check_rows(report.checks)),
    ]
    return [*found, f"- **failed**: {report.failed}"] if report.failed else found
