"""Work as Prefect tasks and flows that end with one readable sentence instead of a traceback."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TagsContext
from prefect.states import Failed
from prefect.tasks import Task

from blocks.prefect_api import configured
from clients.running import cancellable
from config.errors import RolloutError
from flows.parts import recording
from flows.parts.heartbeat import heartbeat
from tasks.core.site import Site

log = logging.getLogger("rollout")

RolloutTask = Task[..., Any]
P = ParamSpec("P")
R = TypeVar("R")


def _untagged() -> TagsContext:
    """A run's tags are not its tasks': for each of those Prefect would ask the server to let it in.

    A task whose server has gone would then fail before its work began.
    """
    return TagsContext(current_tags=set())


def readable(work: Callable[P, R]) -> Callable[P, R | State[Any]]:
    """The body of a flow: what it raises for people becomes the message of its failed state."""

    @wraps(work)
    def told(*args: P.args, **options: P.kwargs) -> R | State[Any]:
        with recording.this_one() as run:
            outcome: R | State[Any]
            try:
                with cancellable(), heartbeat(), _untagged():
                    outcome = work(*args, **options)
            except RolloutError as error:
                outcome = Failed(message=str(error), data=error)
            run.end(outcome)
            return outcome

    return told


def step(work: Callable[..., Any], name: str) -> RolloutTask:
    """The task of one piece of work on a site."""

    @wraps(work)
    def told(site: Site, *args: Any, **options: Any) -> Any | State[Any]:
        try:
            return work(site, *args, **options)
        except RolloutError as error:
            log.error("%s", error)
            return Failed(message=str(error), data=error)

    return Task(
        told,
        name=name,
        task_run_name=name + " {site.name}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def this_run() -> str:
    """Name of the flow run that is going on; prefect.runtime would ask the server for it."""
    context = FlowRunContext.get()
    return context.flow_run.name if context and context.flow_run else "unrecorded"


def finish(step: RolloutTask, site: Site, **options: Any) -> Any:
    """Run the step here and now; its result. Raises what it failed with."""
    if not configured():
        return result_of(step.fn(site, **options))
    return result_of(step(site, return_state=True, **options))


def result_of(ended: Any) -> Any:
    """What a flow or task came to: its result or, of a state, the state's.

    Raises:
        RolloutError: what it failed with. (A task that returns a state is not raised by Prefect.)
    """
    if not isinstance(ended, State):
        return ended
    state = cast(State[Any], ended)
    result = state.result(raise_on_failure=False)
    if isinstance(result, Exception):
        raise result
    return result
