"""The body of every flow, and the name of the run that goes on."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prefect.context import FlowRunContext, TagsContext

from blocks import run_messages
from clients.running import cancellable
from config.errors import RolloutError
from flows.parts import recording
from flows.parts.heartbeat import heartbeat
from flows.parts.stopping import stopping

P = ParamSpec("P")
R = TypeVar("R")

run_messages.take_over()


def _untagged() -> TagsContext:
    """A run's tags are not its tasks': for each of those Prefect would ask the server to let it in.

    A task whose server has gone would then fail before its work began.
    """
    return TagsContext(current_tags=set())


def recorded(work: Callable[P, R]) -> Callable[P, R]:
    """The body of a flow: its heart beats, a cancel ends its children, its end is recorded."""

    @wraps(work)
    def body(*args: P.args, **options: P.kwargs) -> R:
        with recording.this_one() as run, stopping():
            try:
                with cancellable(), heartbeat(), _untagged():
                    outcome = work(*args, **options)
            except RolloutError as error:
                run.end(error)
                raise
            run.end(outcome)
            return outcome

    return body


def this_run() -> str:
    """Name of the flow run that is going on; prefect.runtime would ask the server for it."""
    context = FlowRunContext.get()
    return context.flow_run.name if context and context.flow_run else "unrecorded"
