"""The one way to ask: probes side by side, each with a deadline, those that need another after it.

Every room of probes uses it: `preflight`, `verify`, `health`, `connections`, and a restored point.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from threading import Thread

from clients.command import PATIENCE
from config.errors import RolloutError, Unfit
from config.rules.finding import Finding, Reading, Status, judge
from tasks.core.transient import transient

Answer = str | Reading | Sequence[Reading]
Needs = Mapping[str, tuple[str, ...]]
OnFinding = Callable[[Finding], object]


@dataclass(frozen=True, slots=True)
class Probe:
    """One question about an environment. `ask` only reads.

    `ask` returns what it read, in words or as readings, or raises what is wrong. `needs`: probes of
    the same `where` that must be well before this one makes sense. `within_s` is taken times the
    patience of the environment. `answers`: where one answer is of several probes, all of them, this
    one first, each with those that would explain why it is bad; none may be missing.
    """

    name: str
    ask: Callable[[], Answer]
    needs: tuple[str, ...] = ()
    within_s: float = 10
    advice: str = ""
    group: str = ""
    where: str = ""
    answers: Needs = field(default_factory=dict[str, tuple[str, ...]])


class Wrong(RolloutError):
    """Something answered, and the answer is not the right one."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


class NotAsked(RolloutError):
    """The way to whom is asked broke off: the answer is neither good nor bad."""


class NotYet(RolloutError):
    """There is nothing to ask before something else is done, which `because` names."""

    def __init__(self, what: str, because: str) -> None:
        super().__init__(what)
        self.because = because


def ask_all(
    probes: Sequence[Probe], *, patience: float, on_finding: OnFinding = lambda _: None
) -> list[Finding]:
    """The findings of every probe, in the order of the probes. Nothing raises.

    `on_finding` hears of each as it comes. What has not answered in time is given up, not waited
    for; what needs a bad one is not asked, and says because of which.
    """
    asked = {(probe.where, probe.name) for probe in probes}
    ready = [
        replace(
            probe,
            within_s=probe.within_s * patience,
            needs=tuple(need for need in probe.needs if (probe.where, need) in asked),
        )
        for probe in probes
    ]
    return _Round(ready, on_finding).finish()


class _Round:
    def __init__(self, probes: Sequence[Probe], on_finding: OnFinding) -> None:
        self.waiting = list(probes)
        self.probes = probes
        self.on_finding = on_finding
        self.found: dict[int, list[Finding]] = {}
        self.known: dict[tuple[str, str], Finding] = {}
        self.running: dict[Future[Answer], tuple[Probe, float]] = {}

    def finish(self) -> list[Finding]:
        while self.waiting or self.running:
            self._start()
            self._collect()
        return [finding for probe in self.probes for finding in self.found[id(probe)]]

    def _start(self) -> None:
        for probe in list(self.waiting):
            needed = [self.known.get((probe.where, name)) for name in probe.needs]
            if lost := next((finding for finding in needed if finding and finding.bad), None):
                self.waiting.remove(probe)
                self._note(probe, [_skipped(probe, lost)])
            elif None not in needed:
                self.waiting.remove(probe)
                self.running[_asked(probe)] = (probe, time.monotonic())

    def _collect(self) -> None:
        if not self.running:
            return
        now = time.monotonic()
        left = min(probe.within_s + began - now for probe, began in self.running.values())
        ended = wait(self.running, timeout=max(0.0, left), return_when=FIRST_COMPLETED).done
        now = time.monotonic()
        for future, (probe, began) in list(self.running.items()):
            if future in ended or now - began >= probe.within_s:
                del self.running[future]
                self._note(probe, _findings(probe, future, now - began))

    def _note(self, probe: Probe, found: Sequence[Finding]) -> None:
        placed = [replace(each, group=probe.group, where=probe.where) for each in found]
        self.found[id(probe)] = placed
        for finding in placed:
            self.known[probe.where, finding.probe] = finding
            self.on_finding(finding)
        self.known.setdefault((probe.where, probe.name), Finding(probe.name, Status.OK, ""))


def _asked(probe: Probe) -> Future[Answer]:
    """The answer to come. A thread that hangs past the deadline does not keep the process alive."""
    future: Future[Answer] = Future()

    def ask() -> None:
        try:
            future.set_result(probe.ask())
        except BaseException as error:  # noqa: BLE001 - becomes a finding
            future.set_exception(error)

    # Prefect's settings, its server's address among them, are of the context.
    Thread(target=copy_context().run, args=(ask,), name=probe.name, daemon=True).start()
    return future


def _skipped(probe: Probe, lost: Finding) -> Finding:
    """Not asked; the reason is the root of what it needs."""
    root = lost.because or lost.probe
    return Finding(probe.name, Status.UNKNOWN, f"not checked: {root} failed", because=root)


def _findings(probe: Probe, future: Future[Answer], seconds: float) -> list[Finding]:
    if not future.done():
        said = f"no answer within {probe.within_s:g} s; {PATIENCE} raises this limit"
        return _silent(probe, Finding(probe.name, Status.FAIL, said, advice=probe.advice), seconds)
    error = future.exception()
    if error is not None:
        return _silent(probe, _failure(probe, error), seconds)
    answer = future.result()
    if isinstance(answer, str):
        answer = Reading(probe.name, answer)
    return _judged(probe, [answer] if isinstance(answer, Reading) else answer, seconds)


def _failure(probe: Probe, error: BaseException) -> Finding:
    """A refusal is a failure; a surprise is unknown, never ok."""
    if isinstance(error, NotAsked):
        return Finding(probe.name, Status.UNKNOWN, _sentence(error), advice=probe.advice)
    if isinstance(error, NotYet):
        return Finding(probe.name, Status.UNKNOWN, _sentence(error), because=error.because)
    if isinstance(error, RolloutError):
        own = error.advice if isinstance(error, Wrong | Unfit) else ""
        advice = own or probe.advice
        passes = transient(error)
        return Finding(probe.name, Status.FAIL, _sentence(error), advice=advice, passes=passes)
    said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return Finding(probe.name, Status.UNKNOWN, said, advice=probe.advice)


def _judged(probe: Probe, readings: Sequence[Reading], seconds: float) -> list[Finding]:
    """What should have been answered and was not is unknown: silence is never a good sign."""
    read = {reading.probe: reading for reading in readings if reading.probe in probe.answers}
    found = [
        judge(read[name], needs, seconds)
        if name in read
        else Finding(name, Status.UNKNOWN, "not answered", needs=needs, seconds=seconds)
        for name, needs in probe.answers.items()
    ]
    more = [reading for reading in readings if reading.probe not in read]
    return found + [judge(reading, probe.needs, seconds) for reading in more]


def _silent(probe: Probe, failure: Finding, seconds: float) -> list[Finding]:
    """The probe is bad; what else it would have answered is not known because of it."""
    needs = probe.answers.get(probe.name, probe.needs)
    found = [replace(failure, needs=needs, seconds=seconds)]
    for name, others in probe.answers.items():
        if name != probe.name:
            on_first = (probe.name, *(need for need in others if need != probe.name))
            found.append(Finding(name, Status.UNKNOWN, "not asked", needs=on_first))
    return found


def _sentence(error: RolloutError) -> str:
    """The message in one line, with what to do after a semicolon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines).replace(" do: ", "; ")
