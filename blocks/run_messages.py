"""What Prefect says of a run that failed: the one sentence of its error, and no traceback.

Prefect puts a sentence of its own before an error's, and logs the traceback of everything that is
raised. A RolloutError is made for people: it is the whole message of the state that it causes.
"""

import logging
from functools import cache
from typing import Any

from prefect import flow_engine, task_engine
from prefect.client.schemas.objects import State
from prefect.states import Failed

from config.errors import RolloutError

log = logging.getLogger("rollout")

_of_task: Any = task_engine.exception_to_failed_state_sync  # pyright: ignore[reportPrivateImportUsage]
_of_flow: Any = flow_engine.exception_to_failed_state  # pyright: ignore[reportPrivateImportUsage]


@cache
def take_over() -> None:
    """From now on the runs of this process say it so."""
    task_engine.exception_to_failed_state_sync = _task_state  # pyright: ignore[reportPrivateImportUsage]
    flow_engine.exception_to_failed_state = _flow_state  # pyright: ignore[reportPrivateImportUsage]
    logging.getLogger("prefect.task_runs").addFilter(of_task)
    logging.getLogger("prefect.flow_runs").addFilter(of_flow)


def failed(error: Exception) -> State[Any]:
    """The state of a run that ended with this error."""
    return Failed(message=str(error), data=error)


def _task_state(exc: BaseException | None = None, **options: Any) -> State[Any]:
    return failed(exc) if isinstance(exc, RolloutError) else _of_task(exc, **options)


async def _flow_state(exc: BaseException | None = None, **options: Any) -> State[Any]:
    return failed(exc) if isinstance(exc, RolloutError) else await _of_flow(exc, **options)


def of_task(record: logging.LogRecord) -> bool:
    """Whether Prefect's own record of a task run is passed on.

    Of a RolloutError only its sentence is logged. That a timeout does not end a command in a thread
    is no news: `clients.limit` does.
    """
    if isinstance(error := _error(record), RolloutError):
        log.error("%s", error)
        return False
    retried = isinstance(record.args, tuple) and any(
        isinstance(each, RolloutError) for each in record.args
    )
    about_timeouts = record.funcName == "run_context" and record.levelno == logging.WARNING
    return not retried and not about_timeouts


def of_flow(record: logging.LogRecord) -> bool:
    """Whether Prefect's own record of a flow run is passed on; a RolloutError is in its state."""
    return not isinstance(_error(record), RolloutError)


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
