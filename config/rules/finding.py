"""What a probe read, and the verdict on it: the words that every room of probes shares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Notes = Mapping[str, float | str]


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
    `value` is the worst of. `notes` are values the next run compares with its own. `passes`: it is
    bad for a while, so that asking again may help.
    """

    probe: str
    said: str
    value: float | None = None
    unit: str = ""
    limits: Sequence[float] | None = None
    status: Status = Status.OK
    advice: str = ""
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    notes: Notes = field(default_factory=dict[str, float | str])
    passes: bool = False


def good(probe: str, said: str) -> Reading:
    return Reading(probe, said)


def bad(probe: str, said: str, advice: str = "", *, passes: bool = False) -> Reading:
    return Reading(probe, said, status=Status.FAIL, advice=advice, passes=passes)


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one probe.

    `because`: what explains a bad one: another probe that is bad, or something still to be done.
    `group` and `where`: the kind of thing that was asked, and which one, where there are several.
    `passes`: what is bad passes by itself.
    """

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
    notes: Notes = field(default_factory=dict[str, float | str])
    group: str = ""
    where: str = ""
    passes: bool = False

    def __str__(self) -> str:
        """A line for people: what it is about, what was found, what to do."""
        name = f"{self.where}: {self.probe}" if self.where else self.probe
        return f"{name}: {self.said}" + (f"; {self.advice}" if self.advice else "")

    @property
    def ok(self) -> bool:
        return self.status is Status.OK

    @property
    def bad(self) -> bool:
        return not self.ok

    @property
    def at_fault(self) -> bool:
        """Whether it is bad by itself, and nothing else explains it."""
        return self.bad and not self.because

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
        notes=reading.notes,
        passes=reading.passes,
    )


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
