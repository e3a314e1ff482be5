"""What people look at after an upgrade or a rollback."""

import base64
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from config.pictures.upgrade import svg
from config.rules.finding import Finding
from flows.parts import recording
from flows.parts.report import check_rows

# The parts meanwhile nobody can use Dify.
DOWN = frozenset(
    (
        "stop",
        "point at the stop",
        "settings",
        "migrate",
        "hand steps before",
        "start",
        "gate",
        "way back",
    )
)


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """An upgrade, or its way back. `parts`: how many seconds each took, in order.

    `downtime_s`: from the stop of what writes until the new release had passed its checks.
    `unsaved_s`: how long people wrote after the point, before that stop. `serves`: the release that
    serves in the end; empty where the way back stopped.
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
    unsaved_s: float = 0.0
    serves: str = ""


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
    """`work` is upgrade, rollback or rehearsal."""
    key = report.environment.replace("_", "-")
    recording.table(f"{work}-parts-{key}", part_rows(report), f"How long each part of {work} took")
    text = "\n".join(
        [*lines(report), f"\n![Timeline](data:image/svg+xml;base64,{_timeline(report)})"]
    )
    recording.text(f"{work}-{key}", text, f"{report.old} → {report.new}")


def _timeline(report: UpgradeReport) -> str:
    title = f"{report.environment}: Dify {report.old} → {report.new}"
    lost = f"; {report.unsaved_s:.0f} s of writing are newer than it" if report.unsaved_s else ""
    below = f"nobody could use Dify for {report.downtime_s:.0f} s; the point {report.proved}{lost}"
    picture = svg(report.parts, DOWN, title=title, below=below)
    return base64.b64encode(picture.encode()).decode()


def lines(report: UpgradeReport) -> list[str]:
    """The last words of an upgrade, as Markdown."""
    found = [
        f"# {report.environment}: Dify {report.old} → {report.new}",
        f"- restore point {report.point}, {report.proved}",
        f"- nobody could use Dify for {report.downtime_s:.1f} s",
        *(
            [f"- a way back loses what people wrote for {report.unsaved_s:.0f} s after the point"]
            if report.unsaved_s
            else []
        ),
        *(f"- {note}" for note in report.notes),
        *(f"- {row['check']}: {row['result']}" for row in check_rows(report.checks)),
    ]
    return [*found, f"- **failed**: {report.failed}"] if report.failed else found
