"""The shape of a step, and the one loop that all steps share."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import not_
from typing import Any, Protocol, TypeVar

from clients.node import ConnectionLost
from clients.waiting import despite, until
from config.errors import NotKnown, StepError, Unreachable

log = logging.getLogger("rollout")
log.setLevel(logging.INFO)

MAX_LOGGED = 9
# What is asked too early after a change answers by then. A longer outage is for the step's retries,
# which people see, and which look at everything anew.
ANSWERS_WITHIN_S = 5.0

Actual = TypeVar("Actual")


class Kind(StrEnum):
    """What a change does to its target."""

    MAKE = "make"
    CHANGE = "change"
    REMOVE = "remove"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what is and what should be: a kind and a target, which identify it.

    `what` says what will be done; `before` and `after` show the difference, secrets already masked:
    they are for people, and no code reads them to decide. `action` is the step's own data for
    `apply`: a Command, a File, a statement. Neighbours with the same action are
    one thing to do, seen as several differences: they are applied once.
    """

    kind: Kind
    target: str
    what: str = field(compare=False)
    before: str = field(default="", compare=False)
    after: str = field(default="", compare=False)
    action: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a step would do and cannot: why not, and what a person has to do first.

    `passes`: by itself, so that trying again may help.
    """

    what: str
    why: str
    do: str
    passes: bool = False

    def __str__(self) -> str:
        return self.what


Planned = Change | Blocked


class Step(Protocol[Actual]):
    """One idempotent part of a rollout.

    `observe` only reads. On a bare node it answers "absent"; where something is there that it could
    not ask it raises NotKnown, and nothing is changed.
    `plan` is pure; what cannot be done it says as `Blocked`. `apply` makes exactly one action.
    `settle_s`: seconds the world may take after the last change until `plan` is empty, times the
    patience.
    """

    @property
    def name(self) -> str: ...
    @property
    def settle_s(self) -> float: ...

    def observe(self) -> Actual: ...
    def plan(self, actual: Actual) -> Sequence[Planned]: ...
    def apply(self, change: Change) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did (or, in a dry run, would do, and what is in its way)."""

    step: str
    changes: tuple[Change, ...]
    seconds: float
    applied: bool
    blocked: tuple[Blocked, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        """Two parts of one step reported as one."""
        return Outcome(
            self.step,
            self.changes + other.changes,
            self.seconds + other.seconds,
            self.applied or other.applied,
            self.blocked + other.blocked,
        )


class NotConverged(StepError):
    """Everything was applied without an error, and the world still differs."""


def converge(
    step: Step[Any],
    *,
    dry_run: bool = False,
    patience: float = 1.0,
    before: Callable[[], object] = lambda: None,
) -> Outcome:
    """Make the world as the step wants it; a second call finds nothing to do.

    `before` is called before the first change.

    Raises:
        StepError: something is in the way, which is said before anything is changed.
        NotConverged: the changes went through but are not seen `settle_s` later.
        StepError: what is there could not be asked, for `ANSWERS_WITHIN_S` seconds.
        NotKnown: the same in a dry run, which asks once.
    """
    began = time.monotonic()
    changes, blocked = _sorted(step.plan(step.observe() if dry_run else _seen(step)))
    if blocked and not dry_run:
        raise in_the_way(step.name, blocked)
    if dry_run or not changes:
        seconds = time.monotonic() - began
        return Outcome(step.name, changes, seconds, applied=False, blocked=blocked)
    before()
    for same in _by_action(changes):
        _tell(step.name, same)
        step.apply(same[0])
    left = _settled(step, patience)
    if left:
        raise NotConverged(
            step.name,
            "applied, but still to do: " + "; ".join(map(str, left)),
            tried="; ".join(map(str, changes)),
            advice="look at the log of this step above; running the deploy again resumes here",
        )
    return Outcome(step.name, changes, time.monotonic() - began, applied=True)


def in_the_way(step: str, blocked: Sequence[Blocked]) -> StepError:
    """The error of a step that cannot be carried out: the first of what is in its way."""
    first = blocked[0]
    return StepError(step, first.why, advice=first.do, passes=first.passes)


def _sorted(planned: Sequence[Planned]) -> tuple[tuple[Change, ...], tuple[Blocked, ...]]:
    changes = tuple(each for each in planned if isinstance(each, Change))
    return changes, tuple(each for each in planned if isinstance(each, Blocked))


def _tell(step: str, same: Sequence[Change]) -> None:
    """A line each; a whole file's worth of differences is read in the report, not in the log."""
    for change in same[:MAX_LOGGED]:
        log.info("%s: %s", step, change)
    if len(same) > MAX_LOGGED:
        log.info("%s: and %d more", step, len(same) - MAX_LOGGED)


def _by_action(changes: Sequence[Change]) -> list[list[Change]]:
    groups: list[list[Change]] = []
    for change in changes:
        if groups and change.action is not None and groups[-1][0].action == change.action:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups


def _seen(step: Step[Any]) -> Any:
    """What the step observes; what does not answer is asked again for a while."""
    try:
        return despite(
            lambda error: isinstance(error, Unreachable),
            step.observe,
            within_s=ANSWERS_WITHIN_S,
            every_s=1,
            waiting=f"{step.name}: no answer, asking again",
        )
    except ConnectionLost:
        raise  # what the step had begun is not known, and the error says what to do
    except NotKnown as error:
        advice = "nothing was changed by this step; mend that and deploy again"
        raise StepError(step.name, str(error), advice=advice) from None


def _settled(step: Step[Any], patience: float) -> Sequence[Planned]:
    return until(
        lambda: step.plan(_seen(step)), not_, within_s=step.settle_s * patience, every_s=0.2
    )
