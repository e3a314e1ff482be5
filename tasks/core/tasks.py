"""The `@task` of this project: Prefect's, with what every task of a rollout has.

The tasks of each subject are in its `tasks.py`. They are thin: nothing is decided in them, and
`unrecorded` does the same work, as often, where no Prefect server is.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task

from blocks import run_messages, run_waits
from clients.command import PATIENCE
from clients.limit import limited
from clients.running import pause
from config.errors import RolloutError, StepError
from tasks.core.retries import Attempts, given_up
from tasks.core.site import Site

# Commands that are out of time are ended before; Prefect's timeout is for what they do not end.
GRACE_S = 15.0
# The environment says how many really: `fitted`.
RETRIES = 4

P = ParamSpec("P")
R = TypeVar("R")
OfSite = Callable[Concatenate[Site, P], R]
SiteTask = Task[Concatenate[Site, P], R]

run_messages.take_over()
run_waits.take_over()

# Number of this attempt, and seconds since the first one began, where Prefect does not know them.
_attempt: ContextVar[tuple[int, float]] = ContextVar("attempt", default=(1, 0.0))

# When the first attempt of a task run began, on the clock that nobody sets.
_began: dict[UUID, float] = {}


def task(
    name: str, *, within_s: float, description: str = "", retries: bool = False, each: str = ""
) -> Callable[[OfSite[P, R]], SiteTask[P, R]]:
    """A Prefect task of work on a site, which never takes a stored result for the world.

    `within_s` seconds, times the site's patience, are all it may take; then its commands are ended.
    `retries`: whether it is tried again after trouble that passes. `each`: the argument that tells
    its runs of one site apart. Without a description it is the docstring's.
    """
    of = f"{{{each}}} " if each else ""

    def made(work: OfSite[P, R]) -> SiteTask[P, R]:
        return Task(
            _bounded(work, name, within_s),
            name=name,
            description=description or None,
            task_run_name=f"{name} {of}{{site.name}}",
            timeout_seconds=within_s + GRACE_S,
            retries=RETRIES if retries else 0,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return made


def fitted(task: Task[..., R], site: Site) -> Task[..., R]:
    """The task with the time and the attempts that the site's environment gives it."""
    timeout_s = site.within(task.timeout_seconds or 0)
    attempts, limit_s = _attempts(task, site), timeout_s - GRACE_S

    def again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
        """Whether Prefect tries again; it waits as long as is found here, not what it was told."""
        left_s = limit_s - _spent_s(run.id)
        failed: Any = state.data
        wait_s = attempts.again_in_s(run.run_count, failed, left_s)
        if wait_s is not None and isinstance(task.retry_delay_seconds, list):
            task.retry_delay_seconds[run.run_count - 1] = wait_s
        return wait_s is not None

    return task.with_options(
        timeout_seconds=timeout_s,
        retries=attempts.most - 1,
        retry_delay_seconds=[attempts.longest_s] * (attempts.most - 1),
        retry_condition_fn=again,
    )


def unrecorded(task: Task[..., R], site: Site, *args: Any, **options: Any) -> R:
    """What the task comes to without a server, tried as often as with one.

    Raises:
        what the last attempt did.
    """
    attempts, began = _attempts(task, site), time.monotonic()
    limit_s = site.within(task.timeout_seconds or 0) - GRACE_S
    for number in count(1):
        token = _attempt.set((number, time.monotonic() - began))
        try:
            return task.fn(site, *args, **options)
        except Exception as error:
            left_s = limit_s - (time.monotonic() - began)
            wait_s = attempts.again_in_s(number, error, left_s)
            if wait_s is None:
                raise
        finally:
            _attempt.reset(token)
        pause(wait_s)
    raise AssertionError


def _attempts(task: Task[..., Any], site: Site) -> Attempts:
    return Attempts.of(site.environment.nodes.retries) if task.retries else Attempts()


def _bounded(work: OfSite[P, R], name: str, within_s: float) -> OfSite[P, R]:
    """The work, until its time is up."""

    @wraps(work)
    def run(site: Site, *args: P.args, **options: P.kwargs) -> R:
        began, (number, spent_s) = time.monotonic(), _this_attempt()
        seconds = site.within(within_s)
        late = StepError(
            name,
            f"it has not ended within {seconds:g} s",
            advice=f"read its log above; run it again, it resumes; or raise {PATIENCE}",
        )
        try:
            with limited(seconds - spent_s, late):
                return work(site, *args, **options)
        except RolloutError as error:
            spent_s += time.monotonic() - began
            told = given_up(name, error, number, spent_s)
            if told is error:
                raise
            raise told from error

    return run


def _this_attempt() -> tuple[int, float]:
    """Its number, and seconds since the first one began."""
    context = TaskRunContext.get()
    if context is None:
        return _attempt.get()
    return context.task_run.run_count, _spent_s(context.task_run.id)


def _spent_s(run: UUID) -> float:
    """Seconds since its first attempt began, whatever becomes of the machine's clock."""
    now = time.monotonic()
    return now - _began.setdefault(run, now)
