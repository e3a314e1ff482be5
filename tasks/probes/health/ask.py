"""One checkup of an environment: every question asked at once, contradictions asked again."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clients.running import pause
from config.errors import ConfigError
from config.rules.finding import Finding, Status
from config.rules.health.record import (
    Alert,
    Record,
    alerts,
    contradicts,
    counted,
    forgotten,
    overall,
)
from config.rules.health.series import Series
from config.rules.health.verdict import ROLLOUT, explained
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.probes.engine import Probe, ask_all
from tasks.probes.health import (
    backups,
    celery,
    containers,
    drift,
    inside,
    machine,
    portal,
    postgres,
    redis,
    rollout,
    sentinel,
)
from tasks.probes.health.probe import Past

log = logging.getLogger("rollout")

SUBJECTS = (
    machine, rollout, postgres, redis, sentinel, celery, containers, inside, portal, backups, drift,
)  # fmt: skip
# No rollout explains these.
APART = (machine, rollout, backups)
# What is drawn over time; the rest is only a status.
DRAWN = (
    "api",
    "web",
    "queues",
    "waiting jobs",
    "postgres connections",
    "postgres size",
    "redis memory",
)
_BY_PART = ("disk",)


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found. `record` is for the next run, `alerts` are what people should hear."""

    environment: str
    at: float
    seconds: float
    findings: tuple[Finding, ...]
    alerts: tuple[Alert, ...]
    record: Record

    @property
    def status(self) -> Status:
        return overall(self.findings)

    @property
    def during(self) -> str:
        """The rollout that excuses what is bad, as people read it; empty if none does."""
        return rollout.going_on(self.findings)

    def since(self, finding: Finding) -> float:
        known = self.record.probes.get(finding.probe)
        return known.since if known and known.status is finding.status else self.at


def probes(site: Site, past: Past) -> list[Probe]:
    """All but those whose every answer the environment skips, unless they explain others."""
    found = [each for subject in SUBJECTS for each in subject.probes(site, past)]
    names = {name for each in found for name in each.answers}
    skipped = set(site.environment.health.skip)
    if unknown := sorted(skipped - names):
        raise ConfigError(
            [
                f"health.skip: {unknown[0]!r} is no probe of {site.name}; expected one of: "
                + ", ".join(sorted(names))
            ]
        )
    needs = {need for each in found for of in each.answers.values() for need in of}
    return [
        each for each in found if not skipped.issuperset(each.answers) or needs & set(each.answers)
    ]


def ask(site: Site, record: Record) -> Checkup:
    """Ask everything; an answer that contradicts what is known is asked again before it counts."""
    began, health = time.monotonic(), site.environment.health
    asked = probes(site, _past(record))
    after = record
    turn = 1
    while True:
        now = time.time()
        answers = ask_all(asked, patience=site.within(1))
        findings = _findings(site, answers, after)
        after = counted(after, findings, health, now)
        if turn == health.confirm[0] or not _new(findings, record):
            break
        turn += 1
        pause(health.again_after_s)
    told, after = alerts(record, after, findings, health, now)
    after = after.model_copy(update={"notes": _notes(answers)})
    after = forgotten(_drawn(after, findings, now), (f.probe for f in findings), now)
    return Checkup(site.name, now, time.monotonic() - began, tuple(findings), tuple(told), after)


def _past(record: Record) -> Past:
    """What came since a run during a rollout counts for nothing: it restarted and logged."""
    if ROLLOUT in record.notes:
        return Past(time.time(), series=record.series)
    return Past(record.at, record.notes, record.series)


def _new(findings: list[Finding], record: Record) -> bool:
    return any(contradicts(finding, record.probes.get(finding.probe)) for finding in findings)


def _notes(answers: Sequence[Finding]) -> dict[str, float | str]:
    return {name: value for each in answers for name, value in each.notes.items()}


def _findings(site: Site, answers: Sequence[Finding], record: Record) -> list[Finding]:
    """What is skipped is left out, though it may explain others; secrets are masked."""
    known_bad = [name for name, known in record.probes.items() if known.status is not Status.OK]
    apart = [each for subject in APART for each in subject.probes(site, Past())]
    names = frozenset(name for each in apart for name in each.answers)
    found = rollout.excused(explained(answers, known_bad), names)
    return [
        replace(finding, said=masked(finding.said, site), advice=masked(finding.advice, site))
        for finding in found
        if finding.probe not in site.environment.health.skip
    ]


def _drawn(record: Record, findings: list[Finding], now: float) -> Record:
    series = dict(record.series)
    for finding in findings:
        if finding.probe in DRAWN and finding.value is not None:
            values = {finding.probe: finding.value}
        elif finding.probe in _BY_PART:
            values = {f"{finding.probe} {part}": value for part, value in finding.parts.items()}
        else:
            continue
        for name, value in values.items():
            series[name] = series.get(name, Series()).with_value(now, value)
    return record.model_copy(update={"series": series})
