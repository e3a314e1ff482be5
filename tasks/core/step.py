"""The shape of a step, and the one loop that all steps share."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import not_
from typing import Any, Protocol, TypeVar

from clients.waiting import despite, until
from config.errors import NotKnown, StepError, Unreachable

log = logging.getLogger("rollout")
log.setLevel(logging.INFO)

MAX_LOGGED = 9
# A failover or a restart is over by then; what does not answer for longer is somebody's to mend.
ANSWERS_WITHIN_S = 20.0

Actual = TypeVar("Actual")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what is and what should be.

    `what` says what will be done, as people read it; `before` and `after` show
    the difference, secrets already masked. `action` is the step's own data for
    `apply`: a Command, a File, a statement. Neighbours with the same action are
    one thing to do, seen as several differences: they are applied once.
    """

    what: str
    before: str = ""
    after: str = ""
    action: Any = field(default=None, repr=False, compare=False)


class Step(Protocol[Actual]):
    """One idempotent part of a rollout.

    `observe` only reads. On a bare node it answers "absent"; where something is there that it could
    not ask it raises NotKnown, and nothing is changed.
    `plan` is pure. `apply` makes exactly one action. `settle_s`: seconds the
    world may take after the last change until `plan` is empty, times the patience.
    """

    @property
    def name(self) -> str: ...
    @property
    def settle_s(self) -> float: ...

    def observe(self) -> Actual: ...
    def plan(self, actual: Actual) -> Sequence[Change]: ...
    def apply(self, change: Change) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did (or, in a dry run, would do)."""

    step: str
    changes: tuple[Change, ...]
    seconds: float
    applied: bool

    def __add__(self, other: "Outcome") -> "Outcome":
        """Two parts of one step reported as one."""
        return Outcome(
            self.step,
            self.changes + other.changes,
            self.seconds + other.seconds,
            self.applied or other.applied,
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
        NotConverged: the changes went through but are not seen `settle_s` later.
        StepError: what is there could not be asked, for `ANSWERS_WITHIN_S` seconds.
        NotKnown: the same in a dry run, which asks once.
    """
    began = time.monotonic()
    changes = tuple(step.plan(step.observe() if dry_run else _seen(step)))
    if dry_run or not changes:
        return Outcome(step.name, changes, time.monotonic() - began, applied=False)
    before()
    for same in _by_action(changes):
        _tell(step.name, same)
        step.apply(same[0])
    left = _settled(step, patience)
    if left:
        raise NotConverged(
            step.name,
            "applied, but still to do: " + "; ".join(change.what for change in left),
            tried="; ".join(change.what for change in changes),
            advice="look at the log of this step above; running the deploy again resumes here",
        )
    return Outcome(step.name, changes, time.monotonic() - began, applied=True)


def _tell(step: str, same: Sequence[Change]) -> None:
    """A line each; a whole file's worth of differences is read in the report, not in the log."""
    for change in same[:MAX_LOGGED]:
        log.info("%s: %s", step, change.what)
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
    except NotKnown as error:
        advice = "nothing was changed by this step; mend that and deploy again"
        raise StepError(step.name, str(error), advice=advice) from None


def _settled(step: Step[Any], patience: float) -> Sequence[Change]:
    return until(
        lambda: step.plan(_seen(step)), not_, within_s=step.settle_s * patience, every_s=0.2
    )
