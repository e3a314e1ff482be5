"""The process groups this process has started and still waits for.

A run that is cancelled ends while its commands run in threads of their own, which nobody
interrupts: their processes have to go first.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Lock

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


def end_all() -> None:
    """Nothing of any of them is left; whoever waits hears that it was killed."""
    with _guard:
        for group in _groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
