"""A health run that counts: it remembers, tells, heals within its budget, and is measured."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from blocks import health_record
from blocks.events import Event, emit
from blocks.health_record import Kept
from clients.files import File
from config.rules.health import metrics
from config.rules.health.record import Alert
from tasks.core.site import Site
from tasks.probes.health.ask import Look, look
from tasks.probes.health.heal import heal

PREFIX = "rollout.health."
CHECKED = f"{PREFIX}checked"


_WORDS = {
    "healed": "was restarted",
    "not-healed": "is not restarted any more, the budget of this hour is spent",
    "still-failing": "still fails",
}


def attend(site: Site, kept: Kept | None = None) -> Look:
    """Look, heal within the budget, tell what changed, and keep it for the next run.

    `kept`: what the last run left, if the caller has it. Told before kept: a run killed in
    between tells twice, and none keeps silent.
    """
    kept = kept or health_record.load(site.name)
    seen = look(site, kept.record)
    told, record = heal(site, seen)
    seen = replace(seen, alerts=(*seen.alerts, *told), record=record)
    emit(events(seen))
    health_record.save(site.name, kept, seen.record)
    measure(site, seen)
    return seen


def glance(site: Site) -> Look:
    """Look, and leave no trace."""
    return look(site, health_record.load(site.name).record)


def measure(site: Site, seen: Look) -> None:
    """The findings as a file for node_exporter, if the environment names its directory.

    Other users' process reads it, and never half of it.
    """
    if folder := site.environment.health.metrics:
        content = metrics.text(site.name, seen.status, seen.findings, seen.at, seen.seconds)
        path = Path(folder) / f"dify-{site.name}.prom"
        site.node.write(File(path, content.encode(), mode=0o644, keep_previous=False))


def resource(environment: str) -> str:
    """Whom the events of an environment are about."""
    return f"{PREFIX}{environment}"


def events(seen: Look) -> Iterator[Event]:
    """One for the run itself, whose absence is an alert, and one for each thing to tell."""
    about, name = resource(seen.environment), seen.environment
    labels = {"prefect.resource.name": name, "rollout.environment": name}
    payload = {"status": str(seen.status), "seconds": round(seen.seconds, 3)}
    yield Event(CHECKED, about, labels, payload)
    for alert in seen.alerts:
        told = {**labels, "rollout.probe": alert.finding.probe}
        yield Event(PREFIX + alert.kind, about, told, _payload(seen, alert))


def _payload(seen: Look, alert: Alert) -> dict[str, object]:
    finding = alert.finding
    what = _WORDS.get(alert.kind, alert.kind.replace("-", " "))
    lines = [
        f"{finding.probe} of {seen.environment} {what}: {finding.said}",
        *([f"measured: {finding.measured}, limits {finding.threshold}"] if finding.limits else []),
        *([f"do: {finding.advice}"] if finding.advice else []),
    ]
    return {
        "probe": finding.probe,
        "status": str(finding.status),
        "said": finding.said,
        "value": finding.value,
        "unit": finding.unit,
        "advice": finding.advice,
        "since": alert.since,
        "subject": f"{seen.environment}: {finding.probe} {what}",
        "text": "\n".join(lines),
    }
