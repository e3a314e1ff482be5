"""The same work on several things at once, in threads that belong to the run."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context


def side_by_side(
    work: Callable[[str], None], items: list[str], at_once: int, stopped: threading.Event
) -> None:
    """Do `work` for each item in threads; an interrupt sets `stopped` so that they end soon."""
    with ThreadPoolExecutor(at_once) as pool:
        # The run's log and watchers are found through the context.
        running: list[Future[None]] = [
            pool.submit(copy_context().run, work, item) for item in items
        ]
        try:
            done = list(as_completed(running))
        except BaseException:
            stopped.set()
            raise
    for future in done:
        future.result()
