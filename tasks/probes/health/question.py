"""Questions as data, and the one loop that asks them all at once."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Thread

from config.errors import RolloutError
from config.rules.finding import Finding, Reading, Status, judge
from config.rules.health.series import Series

Needs = Mapping[str, tuple[str, ...]]
Notes = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Past:
    """What the last run left: when it was, its notes, and values over time."""

    at: float = 0.0
    notes: Notes = field(default_factory=dict[str, float | str])
    series: Mapping[str, Series] = field(default_factory=dict[str, Series])


@dataclass(frozen=True, slots=True)
class Answer:
    """Readings, and notes for the next run."""

    readings: Sequence[Reading]
    notes: Notes = field(default_factory=dict[str, float | str])


@dataclass(frozen=True, slots=True)
class Question:
    """One way of asking, which answers several probes. The first is whether it can be asked.

    `probes` maps each to those it depends on. `ask` only reads.
    """

    probes: Needs
    ask: Callable[[Past], Answer]
    advice: str = ""

    @property
    def first(self) -> str:
        return next(iter(self.probes))


@dataclass(frozen=True, slots=True)
class Round:
    """All findings of one time of asking, in the order of the questions."""

    findings: tuple[Finding, ...]
    notes: Notes


def ask_all(questions: Sequence[Question], past: Past, within_s: float) -> Round:
    """Every question at once. What has not answered in time is given up, not waited for."""
    began = time.monotonic()
    futures = [_asked(question, past) for question in questions]
    wait(futures, timeout=within_s)
    findings: list[Finding] = []
    notes: dict[str, float | str] = {}
    for question, future in zip(questions, futures, strict=True):
        if not future.done():
            cause = f"no answer within {within_s:g} s"
            findings += _silent(question, Status.FAIL, cause, time.monotonic() - began)
            continue
        error, seconds = future.exception(), 0.0
        if error is None:
            answer, seconds = future.result()
            findings += _judged(question, answer, seconds)
            notes.update(answer.notes)
        elif isinstance(error, RolloutError):
            findings += _silent(question, Status.FAIL, str(error), seconds, _advice(error))
        else:
            cause = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            findings += _silent(question, Status.UNKNOWN, cause, seconds)
    return Round(tuple(findings), notes)


class Trouble(RolloutError):
    """It cannot be asked, for a reason that has its own advice."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


def _advice(error: RolloutError) -> str:
    return str(getattr(error, "advice", ""))


def _asked(question: Question, past: Past) -> "Future[tuple[Answer, float]]":
    """The answer to come. A thread that hangs does not keep the process alive."""
    future: Future[tuple[Answer, float]] = Future()

    def ask() -> None:
        began = time.monotonic()
        try:
            answer = question.ask(past)
            future.set_result((answer, time.monotonic() - began))
        except BaseException as error:  # noqa: BLE001 - told as a finding
            future.set_exception(error)

    # Prefect's settings, its server's address among them, are of the context.
    Thread(target=copy_context().run, args=(ask,), name=question.first, daemon=True).start()
    return future


def _judged(question: Question, answer: Answer, seconds: float) -> list[Finding]:
    """What was asked for and not read is unknown: silence is never a good sign."""
    read = {reading.probe: reading for reading in answer.readings}
    extra = [reading for name, reading in read.items() if name not in question.probes]
    assert not extra, extra  # noqa: S101 - a probe without a place among the dependencies
    return [
        judge(read[name], needs, seconds)
        if name in read
        else Finding(name, Status.UNKNOWN, "not told", needs=needs, seconds=seconds)
        for name, needs in question.probes.items()
    ]


def _silent(
    question: Question, status: Status, cause: str, seconds: float, advice: str = ""
) -> list[Finding]:
    """The first probe is bad; the others cannot be asked because of it."""
    first = question.first
    found = [
        Finding(
            first,
            status,
            cause,
            advice=advice or question.advice,
            needs=question.probes[first],
            seconds=seconds,
        )
    ]
    for name, needs in question.probes.items():
        if name != first:
            on_first = (first, *(need for need in needs if need != first))
            found.append(Finding(name, Status.UNKNOWN, "not asked", needs=on_first))
    return found
