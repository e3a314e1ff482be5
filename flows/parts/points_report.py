"""What people look at after a backup: restore points as a table and a picture, the kit."""

import base64
from dataclasses import dataclass, field
from typing import Any

from config.pictures.trend import size, svg
from config.rules.restore_point import Point
from flows.parts import recording
from flows.parts.markdown import plain
from tasks.points.backup import Backup


@dataclass(frozen=True, slots=True)
class PointsReport:
    """The points of an environment, oldest first, and what a backup has to say beyond them.

    `kept` and `pruned`: id of a point → why it was kept or let go.
    """

    environment: str
    points: tuple[Point, ...]
    kept: dict[str, str]
    made: str = ""
    checked: str = ""
    pruned: dict[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(cls, done: Backup) -> "PointsReport":
        manifest = done.manifest
        warnings = [f"nothing was pruned: {done.held}"] if done.held else []
        if not done.kit:
            warnings.append("no recovery kit: backup.recipients names no public key")
        if manifest.archived and manifest.archived.trouble:
            warnings.append(f"no physical backup: {manifest.archived.trouble}")
        if manifest.without_file:
            warnings.append(f"{len(manifest.without_file)} uploads of the database have no file")
        warnings += manifest.notes
        return cls(
            manifest.environment,
            done.points,
            done.kept,
            manifest.point,
            done.checked,
            done.pruned,
            tuple(warnings),
            sum(part.seconds for part in manifest.parts),
        )


def point_rows(report: PointsReport) -> list[dict[str, Any]]:
    """Newest first."""
    return [
        {
            "point": point.id,
            "reason": point.reason,
            "kept": report.kept.get(point.id, "until the next backup"),
            "release": point.release or "not known",
            "size": size(point.size),
            "new": size(point.added),
            "seconds": point.seconds,
        }
        for point in reversed(report.points)
    ]


def publish(report: PointsReport, *, kit: str = "") -> None:
    """Leave the run's artifacts: points, trend, and the kit, which only its owners can read."""
    key = report.environment.replace("_", "-")
    rows = point_rows(report) or [{"": "none yet"}]
    recording.table(f"points-{key}", rows, f"Restore points of {key}")
    picture = base64.b64encode(svg(report.points).encode()).decode()
    lines = [
        f"# Restore points of {key}",
        *(f"- made {report.made}" for _ in range(bool(report.made))),
        *(f"- checked: {report.checked} of the data" for _ in range(bool(report.checked))),
        *(f"- let go: {name}: {plain(why)}" for name, why in report.pruned.items()),
        *(f"- **warning:** {plain(warning)}" for warning in report.warnings),
        f"\n![Sizes and durations](data:image/svg+xml;base64,{picture})",
    ]
    recording.text(f"trend-{key}", "\n".join(lines), "Sizes, durations")
    if kit:
        text = f"Keep a copy away from this machine; docs/recovery.md uses it.\n\n```\n{kit}```\n"
        recording.text(f"recovery-kit-{key}", text, "Recovery kit (age)")
