"""The same work on several things at once, in threads that belong to the run."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import TypeVar

from clients.running import cancellable

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[str], None], items: list[str], at_once: int, stopped: threading.Event
) -> None:
    """Do `work` for each item in threads; an interrupt sets `stopped` so that they end soon."""
    with ThreadPoolExecutor(at_once) as pool:
        running = _started(pool, work, items)
        try:
            with cancellable():
                done = list(as_completed(running))
        except BaseException:
            stopped.set()
            raise
    for future in done:
        future.result()


def answers(work: Callable[[Item], Result], items: Iterable[Item], at_once: int) -> list[Result]:
    """What `work` makes of each item, in their order; what it raises, once all have ended."""
    with cancellable(), ThreadPoolExecutor(at_once) as pool:
        running = _started(pool, work, items)
    return [future.result() for future in running]


def _started(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]
) -> list[Future[Result]]:
    """The run's log, watchers and Prefect server are found through the context."""
    return [pool.submit(copy_context().run, work, item) for item in items]
