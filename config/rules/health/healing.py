"""Which services to restart: those that are allowed, sick long enough, within their budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.environment import Health
from config.rules.finding import Finding, Status
from config.rules.health.record import HOUR_S, Record

PREFIX = "container "


@dataclass(frozen=True, slots=True)
class Healing:
    """A service that is due for a restart. `spent`: its budget of this hour is."""

    service: str
    finding: Finding
    spent: bool


def due(record: Record, findings: Sequence[Finding], health: Health, now: float) -> list[Healing]:
    """Only containers of the stack have a probe of that name: state is never touched."""
    found: list[Healing] = []
    for finding in findings:
        service = finding.probe.removeprefix(PREFIX)
        if service == finding.probe or service not in health.heal or finding.because:
            continue
        known = record.probes.get(finding.probe)
        if finding.status is not Status.FAIL or known is None or known.fails < health.confirm[1]:
            continue
        recent = [at for at in record.healed.get(service, []) if at > now - HOUR_S]
        found.append(Healing(service, finding, len(recent) >= health.heal[service]))
    return found


def healed(record: Record, services: Sequence[str], now: float) -> Record:
    """The record after these were restarted; what no longer counts is forgotten."""
    times: Mapping[str, list[float]] = {
        **record.healed,
        **{name: [*record.healed.get(name, []), now] for name in services},
    }
    recent = {
        name: kept for name, at in times.items() if (kept := [t for t in at if t > now - HOUR_S])
    }
    return record.model_copy(update={"healed": recent})
