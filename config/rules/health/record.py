"""What is remembered from run to run: what is known of each probe, and what that makes an alert.

A single answer proves little: a probe becomes bad when `confirm[0]` of its last `confirm[1]`
answers are, and good again after as many good ones in a row. An answer that another bad probe
explains says nothing about this one, and is not counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from config.environment import Health
from config.rules.finding import Finding, Status, worst
from config.rules.health.series import Series
from config.rules.health.verdict import ROLLOUT

HOUR_S = 3600.0
DAY_S = 86_400.0
KEPT_S = 30 * DAY_S
SPELLS = 200  # a probe that changes more often than that in 30 days is told by its newest

Kind = Literal["failed", "warned", "unknown", "recovered", "still-failing", "healed", "not-healed"]


class Spell(BaseModel):
    """A probe was `status` from then on, seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    since: float
    status: Status


class Known(BaseModel):
    """What is known of a probe.

    `answers` are the last ones, `fails` how many in a row were FAIL, `told` when it was an alert,
    `said` what the last bad answer was while it is bad.
    """

    model_config = ConfigDict(frozen=True)

    status: Status = Status.OK
    since: float = 0.0
    answers: tuple[Status, ...] = ()
    fails: int = 0
    told: float = 0.0
    said: str = ""
    spells: tuple[Spell, ...] = ()


class Record(BaseModel):
    """All that one environment's runs leave for the next. Its size is bounded.

    `notes` are values a probe compares with its own of the last run; `series` what is drawn;
    `healed` when each service was restarted, `spent` whose budget for that was told to be spent.
    """

    model_config = ConfigDict(frozen=True)

    at: float = 0.0
    probes: dict[str, Known] = {}
    notes: dict[str, float | str] = {}
    series: dict[str, Series] = {}
    healed: dict[str, list[float]] = {}
    spent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to tell people: what became of a probe, or that it is still so."""

    kind: Kind
    finding: Finding
    since: float


def contradicts(finding: Finding, known: Known | None) -> bool:
    """Whether asking again is worth it: the answer is not what is known."""
    if finding.because:
        return False
    return finding.status is not (known.status if known else Status.OK)


def counted(record: Record, findings: Iterable[Finding], health: Health, now: float) -> Record:
    """The record with one more answer of each probe."""
    probes = dict(record.probes)
    for finding in findings:
        known = probes.get(finding.probe) or _new(now)
        probes[finding.probe] = known if finding.because else _answered(known, finding, health, now)
    return record.model_copy(update={"probes": probes})


def alerts(
    before: Record, after: Record, findings: Sequence[Finding], health: Health, now: float
) -> tuple[list[Alert], Record]:
    """What to tell: a change for the worse or back to ok once, a failure again every `repeat_h`;
    and the record that it was told. A failure that eases to a warning is on its way.
    """
    told: list[Alert] = []
    probes = dict(after.probes)
    for finding in findings:
        known = probes[finding.probe]
        old = before.probes.get(finding.probe, Known())
        kind = _kind(old, known, health, now)
        if kind and not finding.because:
            told.append(Alert(kind, finding, known.since))
            probes[finding.probe] = known.model_copy(update={"told": now})
    return told, after.model_copy(update={"probes": probes})


def forgotten(record: Record, asked: Iterable[str], now: float) -> Record:
    """The record without probes no longer asked, and without what is older than 30 days."""
    names = set(asked)
    return record.model_copy(
        update={
            "at": now,
            "probes": {
                name: known.model_copy(update={"spells": _recent(known.spells, now)})
                for name, known in record.probes.items()
                if name in names
            },
            "series": {
                name: series.since(now - KEPT_S)
                for name, series in record.series.items()
                if series.at and series.at[-1] > now - KEPT_S
            },
        }
    )


def overall(findings: Iterable[Finding]) -> Status:
    """The worst; how something is that a rollout is making anew, nobody can say."""
    return worst(
        Status.UNKNOWN if finding.because == ROLLOUT else finding.status for finding in findings
    )


def _new(now: float) -> Known:
    return Known(since=now, spells=(Spell(since=now, status=Status.OK),))


def _answered(known: Known, finding: Finding, health: Health, now: float) -> Known:
    answers = (*known.answers, finding.status)[-health.confirm[1] :]
    fails = known.fails + 1 if finding.status is Status.FAIL else 0
    status = settled(known.status, answers, health.confirm[0])
    said = "" if status is Status.OK else finding.said if finding.bad else known.said
    counted = known.model_copy(update={"answers": answers, "fails": fails, "said": said})
    if status is known.status:
        return counted
    spells = (*known.spells, Spell(since=now, status=status))[-SPELLS:]
    return counted.model_copy(update={"status": status, "since": now, "spells": spells})


def settled(status: Status, answers: Sequence[Status], confirm: int) -> Status:
    """What is known after these answers, the newest last."""
    newest = answers[-confirm:]
    if newest.count(newest[-1]) == confirm:
        return newest[-1]
    for level in (Status.FAIL, Status.WARN, Status.UNKNOWN):
        if sum(answer.rank >= level.rank for answer in answers) >= confirm:
            return worst((level, status))
    return status


def _kind(old: Known, known: Known, health: Health, now: float) -> Kind | None:
    worse = known.status.rank > old.status.rank
    if worse or (known.status is Status.OK and old.status is not Status.OK):
        return _KINDS[known.status]
    if known.status is Status.FAIL and now - known.told >= health.repeat_h * HOUR_S:
        return "still-failing"
    return None


_KINDS: dict[Status, Kind] = {
    Status.OK: "recovered",
    Status.UNKNOWN: "unknown",
    Status.WARN: "warned",
    Status.FAIL: "failed",
}


def _recent(spells: Sequence[Spell], now: float) -> tuple[Spell, ...]:
    """Those that reach into the last 30 days."""
    ends = [*(spell.since for spell in spells[1:]), now]
    kept = zip(spells, ends, strict=False)
    return tuple(spell for spell, end in kept if end >= now - KEPT_S)
