"""Checks as data, and the one loop that runs them."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from threading import Thread

from clients.command import PATIENCE
from config.errors import RolloutError


@dataclass(frozen=True, slots=True)
class Check:
    """What one probe found. `advice` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    seconds: float
    advice: str = ""
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Probe:
    """A question with a deadline. `ask` returns what it saw, or raises what is wrong.

    `needs`: probes that must pass before this one makes sense. `within_s` is taken times the
    patience of the environment.
    """

    name: str
    ask: Callable[[], str]
    needs: tuple[str, ...] = ()
    within_s: float = 10
    advice: str = ""


class Wrong(RolloutError):
    """Something answered, and the answer is not the right one."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


OnCheck = Callable[[Check], object]


def run(probes: Sequence[Probe], on_check: OnCheck, *, patience: float = 1.0) -> list[Check]:
    """A check of every probe, in their order; what does not need each other runs side by side."""
    stretched = [replace(probe, within_s=probe.within_s * patience) for probe in probes]
    return _Round(stretched, on_check).finish()


class _Round:
    def __init__(self, probes: Sequence[Probe], on_check: OnCheck) -> None:
        self.probes = probes
        self.on_check = on_check
        self.done: dict[str, Check] = {}
        self.running: dict[Future[str], tuple[Probe, float]] = {}
        self.started: set[str] = set()

    def finish(self) -> list[Check]:
        while len(self.done) < len(self.probes):
            self._start()
            if self.running:
                self._collect()
        return [self.done[probe.name] for probe in self.probes]

    def _start(self) -> None:
        for probe in self.probes:
            if probe.name in self.started:
                continue
            if lost := _lost(probe.needs, self.done):
                self.started.add(probe.name)
                detail = f"not checked: {lost} failed"
                self._note(Check(probe.name, False, detail, 0, checked=False))
            elif all(name in self.done for name in probe.needs):
                self.started.add(probe.name)
                self.running[_asked(probe)] = (probe, time.monotonic())

    def _collect(self) -> None:
        now = time.monotonic()
        left = min(probe.within_s + began - now for probe, began in self.running.values())
        ended = wait(self.running, timeout=max(0.0, left), return_when=FIRST_COMPLETED).done
        now = time.monotonic()
        for future, (probe, began) in list(self.running.items()):
            if future in ended or now - began >= probe.within_s:
                del self.running[future]
                self._note(_check(probe, future, now - began))

    def _note(self, check: Check) -> None:
        self.done[check.name] = check
        self.on_check(check)


def _asked(probe: Probe) -> Future[str]:
    """The answer to come. A thread that hangs past the deadline does not keep the process alive."""
    future: Future[str] = Future()

    def ask() -> None:
        try:
            future.set_result(probe.ask())
        except BaseException as error:  # noqa: BLE001 - told as a failed check
            future.set_exception(error)

    Thread(target=ask, name=probe.name, daemon=True).start()
    return future


def _lost(needs: Iterable[str], done: dict[str, Check]) -> str:
    """The root of what keeps a probe from being asked, empty if nothing does yet."""
    for name in needs:
        if name in done and not done[name].ok:
            check = done[name]
            if check.checked:
                return name
            return check.detail.removeprefix("not checked: ").removesuffix(" failed")
    return ""


def _check(probe: Probe, future: Future[str], seconds: float) -> Check:
    if not future.done():
        detail = f"no result within {probe.within_s:g} s; {PATIENCE} raises this limit"
        return Check(probe.name, False, detail, seconds, probe.advice)
    error = future.exception()
    if error is None:
        return Check(probe.name, True, future.result(), seconds)
    known = isinstance(error, RolloutError)
    detail = str(error) if known else f"{type(error).__name__}: {_first_line(error)}"
    advice = error.advice if isinstance(error, Wrong) and error.advice else probe.advice
    return Check(probe.name, False, detail, seconds, advice)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
