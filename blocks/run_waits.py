"""The wait of a task for its next attempt, which a cancel ends at once.

Prefect sleeps through a cancel, and with it the whole run: its tasks are in threads of their own.
"""

from functools import cache
from typing import Any

from prefect.task_engine import SyncTaskRunEngine
from prefect.types import DateTime

from blocks.run_messages import failed
from clients.running import Cancelled, pause

_engine: Any = SyncTaskRunEngine
_until_ready: Any = _engine.wait_until_ready


@cache
def take_over() -> None:
    """From now on the tasks of this process wait so."""
    _engine.wait_until_ready = _wait


def _wait(engine: SyncTaskRunEngine[Any, Any]) -> None:
    """As long as was said when the wait began: the clock may have moved since. Raises Cancelled."""
    state: Any = engine.state
    if ready := state.state_details.scheduled_time:
        try:
            pause(max(0.0, (ready - state.timestamp).total_seconds()))
        except Cancelled as error:
            engine.set_state(failed(error), force=True)
            raise
        state.state_details.scheduled_time = DateTime.now("UTC")
    _until_ready(engine)
