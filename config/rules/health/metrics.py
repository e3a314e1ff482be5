"""Findings as metrics in Prometheus' text format, names and base units by its conventions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from config.rules.finding import Finding, Status

DAY_S, HOUR_S = 86_400.0, 3600.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge made from the value of a probe, times `scale`; `part` names the label of parts."""

    name: str
    help: str
    scale: float = 1.0
    part: str = ""
    labels: tuple[tuple[str, str], ...] = ()


_RATIO = 0.01
_SKEW = ("dify_clock_skew_seconds", "Difference to the clock of the machine that asks.")
_ANSWER = ("dify_http_response_seconds", "Time until the service answered through the domain.")
METRICS: dict[str, Metric] = {
    "postgres connections": Metric(
        "dify_postgres_connections_used_ratio", "Share of PostgreSQL connections in use.", _RATIO
    ),
    "postgres replication": Metric(
        "dify_postgres_replication_lag_seconds", "Lag of the replica furthest behind."
    ),
    "postgres transactions": Metric(
        "dify_postgres_oldest_transaction_seconds", "Age of the oldest open transaction."
    ),
    "postgres size": Metric("dify_postgres_database_size_bytes", "Size of Dify's database.", 1e9),
    "redis memory": Metric("dify_redis_memory_used_ratio", "Share of maxmemory in use.", _RATIO),
    "redis evictions": Metric("dify_redis_evictions", "Keys evicted since the last run."),
    "worker": Metric("dify_celery_workers", "Celery workers connected to the broker."),
    "queues": Metric("dify_celery_queue_jobs", "Jobs waiting in a queue.", part="queue"),
    "waiting jobs": Metric(
        "dify_celery_job_wait_seconds", "How long the next job of a queue has waited.", part="queue"
    ),
    "beat": Metric("dify_celery_beat_age_seconds", "Time since the scheduler sent a job."),
    "restarts": Metric("dify_container_restarts", "Restarts since the last run.", part="container"),
    "log errors": Metric(
        "dify_container_log_errors_per_minute", "Lines with errors in a log.", part="container"
    ),
    "api": Metric(*_ANSWER, labels=(("service", "api"),)),
    "web": Metric(*_ANSWER, labels=(("service", "web"),)),
    "websocket": Metric(*_ANSWER, labels=(("service", "websocket"),)),
    "certificate": Metric(
        "dify_certificate_expiry_seconds", "Time until the certificate expires.", DAY_S
    ),
    "disk": Metric("dify_filesystem_used_ratio", "Share of a filesystem used.", _RATIO, "path"),
    "inodes": Metric(
        "dify_filesystem_inodes_used_ratio", "Share of its inodes used.", _RATIO, "path"
    ),
    "disk trend": Metric(
        "dify_filesystem_full_seconds", "Time until it is full, by its trend.", DAY_S, "path"
    ),
    "machine clock": Metric(*_SKEW, labels=(("clock", "machine"),)),
    "api clock": Metric(*_SKEW, labels=(("clock", "api"),)),
    "postgres clock": Metric(*_SKEW, labels=(("clock", "postgres"),)),
    "redis clock": Metric(*_SKEW, labels=(("clock", "redis"),)),
    "restore point": Metric(
        "dify_restore_point_age_seconds", "Age of the last good restore point.", HOUR_S
    ),
    "drill": Metric("dify_drill_age_seconds", "Time since a restore point was proved.", DAY_S),
}

Sample = tuple[Mapping[str, str], float]


def text(
    environment: str, status: Status, findings: Sequence[Finding], at: float, seconds: float
) -> str:
    """The content of a file for node_exporter's textfile collector."""
    own = {"environment": environment}
    families: dict[str, tuple[str, list[Sample]]] = {
        "dify_environment_status": (
            "The worst status: 0 ok, 1 unknown, 2 warn, 3 fail.",
            [(own, float(status.rank))],
        ),
        "dify_probe_status": (
            "Status of a probe: 0 ok, 1 unknown, 2 warn, 3 fail. `because` explains a bad one.",
            [
                ({**own, "probe": f.probe, "because": f.because}, float(f.status.rank))
                for f in findings
            ],
        ),
        "dify_health_run_timestamp_seconds": ("When the probes were asked.", [(own, at)]),
        "dify_health_run_duration_seconds": ("How long that took.", [(own, seconds)]),
    }
    for finding in findings:
        if metric := METRICS.get(finding.probe):
            family = families.setdefault(metric.name, (metric.help, []))
            family[1].extend(_samples(metric, finding, own))
    return "".join(_family(name, said, samples) for name, (said, samples) in families.items())


def _samples(metric: Metric, finding: Finding, own: Mapping[str, str]) -> Iterable[Sample]:
    labels = {**own, **dict(metric.labels)}
    if metric.part:
        for part, value in finding.parts.items():
            yield {**labels, metric.part: part}, value * metric.scale
    elif finding.value is not None:
        yield labels, finding.value * metric.scale


def _family(name: str, said: str, samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    lines = [f"# HELP {name} {said}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
