"""The end of a run whose worker is stopped: the run is cancelled, and not taken for dead."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled

from blocks.prefect_api import api
from flows.parts.recording import record

OF_A_WORKER = "PREFECT__FLOW_RUN_ID"
MESSAGE = "Its worker was stopped. Run it again, it resumes."


@contextmanager
def stopping() -> Generator[None]:
    """A SIGTERM that nobody at the server has asked for cancels the run.

    The handler stays Prefect's: a cancel is taken for a crash where it is another one.
    """
    try:
        yield
    except TerminationSignal:
        if os.environ.get(OF_A_WORKER):
            record(_cancelled)
        raise


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
