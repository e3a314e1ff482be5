"""What people look at after a health run."""

import base64
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from config.pictures import timeline
from config.rules.finding import Finding, Status
from config.rules.health.record import DAY_S
from flows.parts import recording
from tasks.probes.health.ask import Checkup
from tasks.probes.health.fleet import Summary


def rows(seen: Checkup) -> list[dict[str, Any]]:
    """What matters first: causes by how bad they are, then what they explain, then the rest."""
    return [
        {
            "status": str(finding.status),
            "probe": finding.probe,
            "value": finding.measured,
            "warns / fails": finding.threshold,
            "since": ago(seen.at - seen.since(finding)),
            "what": f"because of {finding.because}" if finding.because else finding.said,
            "do": "" if finding.because else finding.advice,
        }
        for finding in sorted(seen.findings, key=_importance)
    ]


def headline(seen: Checkup) -> str:
    during = f", during {seen.during}" if seen.during else ""
    return f"{seen.environment} is {seen.status}{during}"


def publish(seen: Checkup) -> None:
    key = seen.environment.replace("_", "-")
    at = datetime.fromtimestamp(seen.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    recording.table(f"health-{key}", rows(seen), f"{headline(seen)}, {at}")
    recording.text(f"timeline-{key}", pictures(seen), f"{key} over time, {at}")


def page_rows(found: Sequence[Summary]) -> list[dict[str, Any]]:
    """One line an environment, the worst first."""
    now = time.time()
    worst_first = sorted(found, key=lambda each: (-each.status.rank, each.environment))
    return [
        {
            "environment": each.environment,
            "status": str(each.status),
            "for": ago(now - each.since),
            "probes": ", ".join(each.bad),
            "what": each.said,
        }
        for each in worst_first
    ]


def publish_page(found: Sequence[Summary]) -> None:
    """The status page."""
    bad = sum(each.status is not Status.OK for each in found)
    said = f"{len(found)} environments, {bad} of them not ok"
    recording.table("health", page_rows(found), said)


def pictures(seen: Checkup) -> str:
    """A day and a month of every probe, and how fast people were answered."""
    known, series = seen.record.probes, seen.record.series
    answers = {name: series[name] for name in ("api", "web") if name in series}
    drawn = [
        timeline.timeline(known, seen.at, DAY_S, title=f"{seen.environment}: 24 hours"),
        timeline.timeline(known, seen.at, 30 * DAY_S, title=f"{seen.environment}: 30 days"),
        timeline.latency(answers, seen.at, DAY_S, title="Answers through the domain, 24 hours"),
        timeline.latency(answers, seen.at, 30 * DAY_S, title="the same, 30 days"),
    ]
    return "\n\n".join(
        f"![Health](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
        for svg in drawn
    )


def as_json(seen: Checkup) -> dict[str, Any]:
    return {
        "environment": seen.environment,
        "status": str(seen.status),
        "during": seen.during,
        "at": datetime.fromtimestamp(seen.at, UTC).isoformat(timespec="seconds"),
        "seconds": round(seen.seconds, 2),
        "probes": [
            {
                "probe": f.probe,
                "status": str(f.status),
                "value": f.value,
                "unit": f.unit,
                "limits": list(f.limits) if f.limits else None,
                "since": datetime.fromtimestamp(seen.since(f), UTC).isoformat(timespec="seconds"),
                "said": f.said,
                "because": f.because,
                "advice": f.advice,
                "seconds": round(f.seconds, 3),
            }
            for f in seen.findings
        ],
    }


def ago(seconds: float) -> str:
    """A span as people say it."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _importance(finding: Finding) -> tuple[bool, int]:
    return bool(finding.because), -finding.status.rank
