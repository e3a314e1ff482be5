"""What people look at after a health run."""

from datetime import UTC, datetime
from typing import Any

from prefect.artifacts import create_table_artifact

from config.desired.health.verdict import Finding
from tasks.health.look import Look


def rows(seen: Look) -> list[dict[str, Any]]:
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


def publish(seen: Look) -> None:
    key = seen.environment.replace("_", "-")
    at = datetime.fromtimestamp(seen.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    create_table_artifact(
        table=rows(seen), key=f"health-{key}", description=f"{key} is {seen.status}, {at}"
    )


def as_json(seen: Look) -> dict[str, Any]:
    return {
        "environment": seen.environment,
        "status": str(seen.status),
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
