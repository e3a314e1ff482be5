"""The `@task` of this project: Prefect's, with what every task of a rollout has.

The tasks of each subject are in its `tasks.py`. They are thin: nothing is decided in them, and
their plain function, `task.fn`, does the same work where no Prefect server is.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext
from prefect.tasks import Task

from blocks import run_messages
from clients.command import PATIENCE
from clients.limit import limited
from config.errors import StepError
from tasks.core.site import Site

# Commands that are out of time are ended before; Prefect's timeout is for what they do not end.
GRACE_S = 15.0

P = ParamSpec("P")
R = TypeVar("R")
OfSite = Callable[Concatenate[Site, P], R]
SiteTask = Task[Concatenate[Site, P], R]

run_messages.take_over()


def task(
    name: str, *, within_s: float, description: str = ""
) -> Callable[[OfSite[P, R]], SiteTask[P, R]]:
    """A Prefect task of work on a site, which never takes a stored result for the world.

    `within_s` seconds, times the site's patience, are all it may take; then its commands are ended.
    Without a description it is the docstring's.
    """

    def made(work: OfSite[P, R]) -> SiteTask[P, R]:
        return Task(
            _bounded(work, name, within_s),
            name=name,
            description=description or None,
            task_run_name=name + " {site.name}",
            timeout_seconds=within_s + GRACE_S,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return made


def fitted(task: Task[..., R], site: Site) -> Task[..., R]:
    """The task with the time that it has on the machines of the site."""
    return task.with_options(timeout_seconds=site.within(task.timeout_seconds or 0))


def _bounded(work: OfSite[P, R], name: str, within_s: float) -> OfSite[P, R]:
    """The work, until its time is up."""

    @wraps(work)
    def run(site: Site, *args: P.args, **options: P.kwargs) -> R:
        seconds = site.within(within_s)
        error = StepError(
            name,
            f"it has not ended within {seconds:g} s",
            advice=f"read its log above; run it again, it resumes; or raise {PATIENCE}",
        )
        with limited(seconds - _spent_s(), error):
            return work(site, *args, **options)

    return run


def _spent_s() -> float:
    """Seconds since this task's run began, with the attempts before this one."""
    context = TaskRunContext.get()
    began = context.task_run.start_time if context else None
    return time.time() - began.timestamp() if began else 0.0
