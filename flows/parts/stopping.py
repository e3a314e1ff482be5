"""How a run ends that is told to stop: once, and not as dead where its worker was stopped."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled

from blocks.prefect_api import api
from flows.parts.recording import record

OF_A_WORKER = "PREFECT__FLOW_RUN_ID"
MESSAGE = "Its worker was stopped. Run it again, it resumes."


@contextmanager
def stopping() -> Generator[None]:
    """The first SIGTERM ends the run; those that follow do not disturb its tidying up."""
    with _told_once():
        try:
            yield
        except TerminationSignal:
            if os.environ.get(OF_A_WORKER):
                record(_cancelled)
            raise


@contextmanager
def _told_once() -> Generator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    if current_thread() is not main_thread() or not callable(handler):
        yield
        return
    told = False

    def once(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            handler(number, frame)

    signal.signal(signal.SIGTERM, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _cancelled() -> None:
    """The server has the run as cancelled, unless somebody has ended it there already.

    Prefect itself would call it crashed: nobody decided that it ends.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return
    state = api().read_flow_run(run.id).state
    if state and (state.is_final() or state.is_cancelling()):
        return
    run.state = Cancelled(message=MESSAGE)
    api().set_flow_run_state(run.id, run.state, force=True)
