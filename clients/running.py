"""The process groups this process has started and still waits for.

A run that is cancelled ends while its commands run in threads of their own, which nobody
interrupts: their processes have to go first.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from subprocess import Popen, TimeoutExpired
from threading import Lock, Thread
from typing import Any

_guard = Lock()
_groups: set[int] = set()


@contextmanager
def waited_for(group: int) -> Generator[None]:
    """While somebody waits for the group; who leads a session leads a group of the same number."""
    with _guard:
        _groups.add(group)
    try:
        yield
    finally:
        with _guard:
            _groups.discard(group)


def await_end(process: Popen[Any], within_s: float) -> None:
    """`Popen.wait` with a limit looks again and again, at last every 50 ms; a thread hears of it.

    Raises:
        TimeoutExpired: it has not ended.
    """
    if process.poll() is not None:
        return  # whatever the limit, 0 included
    waiting = Thread(target=process.wait, daemon=True)
    waiting.start()
    waiting.join(within_s)
    if waiting.is_alive():
        raise TimeoutExpired(process.args, within_s)


def end_all() -> None:
    """Nothing of any of them is left; whoever waits hears that it was killed."""
    with _guard:
        for group in _groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
