"""One checkup of an environment: every question asked at once, contradictions asked again."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from clients.running import pause
from config.rules.finding import Finding, Notes, Status
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
from tasks.probes.engine import ask_all
from tasks.probes.health import rollout
from tasks.probes.health.groups import APART, grouped
from tasks.probes.health.probe import Past

log = logging.getLogger("rollout")

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


class Round:
    """One checkup on its way: groups of probes, asked again where an answer is a surprise.

    A plain class for the reason `Site` is one.
    """

    def __init__(self, site: Site, record: Record) -> None:
        self._site, self._record = site, record
        self._groups = grouped(site, _past(record))
        self._began, self._now, self._turn = time.monotonic(), time.time(), 1
        self._after, self._findings = record, list[Finding]()
        self._notes: Notes = {}

    @property
    def groups(self) -> list[str]:
        return list(self._groups)

    def ask(self, group: str) -> list[Finding]:
        """The answers of one group of probes."""
        return ask_all(self._groups[group], patience=self._site.within(1))

    def ask_all(self) -> list[Finding]:
        """The answers of all groups at once."""
        asked = list(chain.from_iterable(self._groups.values()))
        return ask_all(asked, patience=self._site.within(1))

    def contradicts(self, answers: Sequence[Finding]) -> bool:
        """Whether what is known says otherwise, and it may be asked again."""
        health = self._site.environment.health
        self._notes = _notes(answers)
        self._findings = _findings(self._site, answers, self._after)
        self._after = counted(self._after, self._findings, health, self._now)
        return self._turn < health.confirm[0] and _new(self._findings, self._record)

    def again(self) -> None:
        """A moment later, for answers of then."""
        pause(self._site.environment.health.again_after_s)
        self._turn, self._now = self._turn + 1, time.time()

    def checkup(self) -> Checkup:
        """What came of it."""
        site, now, findings = self._site, self._now, self._findings
        told, after = alerts(self._record, self._after, findings, site.environment.health, now)
        after = after.model_copy(update={"notes": self._notes})
        after = forgotten(_drawn(after, findings, now), (f.probe for f in findings), now)
        took = time.monotonic() - self._began
        return Checkup(site.name, now, took, tuple(findings), tuple(told), after)


def ask(
    site: Site, record: Record, answers: Callable[[Round], list[Finding]] = Round.ask_all
) -> Checkup:
    """Ask everything; an answer that contradicts what is known is asked again before it counts."""
    going = Round(site, record)
    while going.contradicts(answers(going)):
        going.again()
    return going.checkup()


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
