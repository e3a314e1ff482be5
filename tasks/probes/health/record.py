"""A health run that counts: it remembers, tells, heals within its budget, and is measured."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from blocks import health_record
from blocks.events import Event, emit
from blocks.health_record import Stored
from clients.files import File
from config.rules.health import metrics
from config.rules.health.record import Alert
from tasks.core.site import Site
from tasks.probes.health.ask import Checkup, ask
from tasks.probes.health.heal import heal

PREFIX = "rollout.health."
CHECKED = f"{PREFIX}checked"


_WORDS = {
    "healed": "was restarted",
    "not-healed": "is not restarted any more, the budget of this hour is spent",
    "still-failing": "still fails",
}


def record(site: Site, kept: Stored | None = None) -> Checkup:
    """Ask, and keep what was found. `kept`: what the last run left, if the caller has it."""
    kept = kept or last(site)
    return keep(site, kept, ask(site, kept.record))


def last(site: Site) -> Stored:
    """What the last run left."""
    return health_record.load(site.name)


def keep(site: Site, kept: Stored, seen: Checkup) -> Checkup:
    """Heal within the budget, tell people what changed, and keep the record for the next run.

    People are told before it is kept: a run that is killed in between tells them twice, and none
    keeps silent.
    """
    healed, after = heal(site, seen)
    seen = replace(seen, alerts=(*seen.alerts, *healed), record=after)
    emit(events(seen))
    health_record.save(site.name, kept, seen.record)
    measure(site, seen)
    return seen


def peek(site: Site) -> Checkup:
    """Ask, and leave no trace."""
    return ask(site, last(site).record)


def measure(site: Site, seen: Checkup) -> None:
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


def events(seen: Checkup) -> Iterator[Event]:
    """One for the run itself, whose absence is an alert, and one for each thing to tell."""
    about, name = resource(seen.environment), seen.environment
    labels = {"prefect.resource.name": name, "rollout.environment": name}
    payload = {"status": str(seen.status), "seconds": round(seen.seconds, 3)}
    yield Event(CHECKED, about, labels, payload)
    for alert in seen.alerts:
        told = {**labels, "rollout.probe": alert.finding.probe}
        yield Event(PREFIX + alert.kind, about, told, _payload(seen, alert))


def _payload(seen: Checkup, alert: Alert) -> dict[str, object]:
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
