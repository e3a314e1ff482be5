"""A health run that counts: it remembers, tells, heals within its budget, and is measured."""

import logging
from collections.abc import Iterator

from blocks import health_record
from blocks.events import Event, emit
from config.desired.health.record import Alert
from tasks.health.look import Look, look
from tasks.site import Site

log = logging.getLogger("rollout")

PREFIX = "rollout.health."
CHECKED = f"{PREFIX}checked"


def attend(site: Site) -> Look:
    """Look, tell what changed, and keep it for the next run.

    Told before kept: a run killed in between tells twice, and none keeps silent.
    """
    seen = look(site, health_record.load(site.name))
    emit(events(seen))
    health_record.save(site.name, seen.record)
    return seen


def glance(site: Site) -> Look:
    """Look, and leave no trace."""
    return look(site, health_record.load(site.name))


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
    what = alert.kind.replace("-", " ")
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
