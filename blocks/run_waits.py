"""The wait of a task for its next attempt, which a cancel ends at once.

Prefect sleeps through a cancel, and with it the whole run: its tasks are in threads of their own.
"""

import time
from functools import cache
from typing import Any

from prefect.task_engine import SyncTaskRunEngine

from blocks.run_messages import failed
from clients.running import Cancelled, pause

_engine: Any = SyncTaskRunEngine
_until_ready: Any = _engine.wait_until_ready


@cache
def take_over() -> None:
    """From now on the tasks of this process wait so."""
    _engine.wait_until_ready = _wait


def _wait(engine: SyncTaskRunEngine[Any, Any]) -> None:
    """Raises Cancelled."""
    if ready := engine.state.state_details.scheduled_time:
        try:
            pause(max(0.0, ready.timestamp() - time.time()))
        except Cancelled as error:
            engine.set_state(failed(error), force=True)
            raise
    _until_ready(engine)
