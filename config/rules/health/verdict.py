"""From what a probe read to a verdict, and from verdicts to what is the cause of what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

# The probe that explains what a deploy or restore takes down.
ROLLOUT = "rollout"


class Status(StrEnum):
    """How a probe is. `unknown` is never as good as ok: nobody could ask."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {Status.OK: 0, Status.UNKNOWN: 1, Status.WARN: 2, Status.FAIL: 3}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read for one probe.

    `limits`: where it starts to warn and to fail; the second smaller than the first means that
    little is bad. Without limits `status` is the verdict by itself. `parts` are the single values
    `value` is the worst of.
    """

    probe: str
    said: str
    value: float | None = None
    unit: str = ""
    limits: Sequence[float] | None = None
    status: Status = Status.OK
    advice: str = ""
    parts: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one probe. `because`: another probe that is bad and explains this one."""

    probe: str
    status: Status
    said: str
    value: float | None = None
    unit: str = ""
    limits: Sequence[float] | None = None
    advice: str = ""
    needs: tuple[str, ...] = ()
    because: str = ""
    seconds: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def bad(self) -> bool:
        return self.status is not Status.OK

    @property
    def threshold(self) -> str:
        """As people read it, like `75 / 90 %`."""
        if self.limits is None:
            return ""
        warn, fail = self.limits
        below = "below " if fail < warn else ""
        return f"{below}{warn:g} / {fail:g} {self.unit}".strip()

    @property
    def measured(self) -> str:
        return "" if self.value is None else f"{rounded(self.value)} {self.unit}".strip()


def judge(reading: Reading, needs: tuple[str, ...] = (), seconds: float = 0.0) -> Finding:
    """The verdict; advice only where there is something to do."""
    status = _against(reading.value, reading.limits) if reading.limits else reading.status
    return Finding(
        reading.probe,
        status,
        reading.said,
        reading.value,
        reading.unit,
        reading.limits,
        reading.advice if status is not Status.OK else "",
        needs,
        seconds=seconds,
        parts=reading.parts,
    )


def explained(findings: Sequence[Finding], known_bad: Iterable[str] = ()) -> list[Finding]:
    """Each bad finding names the root that explains it, if what it needs is bad as well.

    `known_bad`: probes that were bad before and are not yet known to be good again.
    """
    bad = {finding.probe for finding in findings if finding.bad} | set(known_bad)
    needs = {finding.probe: finding.needs for finding in findings}
    return [
        replace(finding, because=_root(finding.probe, needs, bad)) if finding.bad else finding
        for finding in findings
    ]


def worst(statuses: Iterable[Status]) -> Status:
    return max(statuses, key=lambda status: status.rank, default=Status.OK)


def rounded(value: float) -> str:
    """Three digits at most after the first, as people read a measurement."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"  # noqa: PLR2004


def _against(value: float | None, limits: Sequence[float]) -> Status:
    if value is None:
        return Status.UNKNOWN
    warn, fail = limits
    sign = -1 if fail < warn else 1
    if sign * value >= sign * fail:
        return Status.FAIL
    return Status.WARN if sign * value >= sign * warn else Status.OK


def _root(probe: str, needs: Mapping[str, tuple[str, ...]], bad: set[str]) -> str:
    """The last bad probe on the way down; empty if nothing this one needs is bad."""
    found, seen = "", {probe}
    while True:
        lower = [name for name in needs.get(probe, ()) if name in bad and name not in seen]
        if not lower:
            return found
        found = probe = lower[0]
        seen.add(probe)
