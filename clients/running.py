"""What this process has started and waits for, so that a cancelled run can end all of it.

A run that is cancelled ends while its commands run in threads of their own, which nobody
interrupts: their processes have to go first, and with them the lock of the run only afterwards.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from subprocess import Popen, TimeoutExpired
from threading import Condition, Thread, get_ident
from typing import Any

from clients import processes
from clients.limit import out_of_time, require_time, within_limit
from config.errors import RolloutError

log = logging.getLogger("rollout")

# restic lets go of its lock at SIGINT, most others clean up at SIGTERM.
ENDING = ((signal.SIGINT, 2.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 10.0))
GONE_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.02

_changed = Condition()
_ends: list[tuple[int, Callable[[], None]]] = []  # of which thread, and what ends it
_cancelled_by: int | None = None


class Cancelled(RolloutError):
    """The run was cancelled: nothing new is started."""

    def __init__(self) -> None:
        super().__init__("the run was cancelled")


def begin() -> None:
    """A new run in this process: what became of one before it does not concern this one."""
    global _cancelled_by  # noqa: PLW0603 - a process does one run at a time
    with _changed:
        _cancelled_by = None


@contextmanager
def cancellable() -> Generator[None]:
    """Nothing that this process waits for is left if this ends by a cancel or an interrupt."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            end_all()
        raise


@contextmanager
def waited_for(end: Callable[[], None]) -> Generator[None]:
    """While somebody waits for what was started; `end` ends it, from any thread.

    Raises:
        Cancelled: the run already is, by another thread than this one.
        RolloutError: the time of this piece of work is up.
    """
    entry = (get_ident(), end)
    with within_limit(end):
        with _changed:
            require_not_cancelled()
            _ends.append(entry)
        try:
            yield
        finally:
            with _changed:
                _ends.remove(entry)
                _changed.notify_all()


def end_all() -> None:
    """End every command of this run; its other threads start no more and raise `Cancelled`.

    What this thread still holds, like a connection, may be what it tidies up by.
    """
    global _cancelled_by  # noqa: PLW0603
    with _changed:
        _cancelled_by = get_ident()
        ends = _of_others()
        _changed.notify_all()
    ending = [Thread(target=end, daemon=True) for end in ends]
    for thread in ending:
        thread.start()
    deadline = time.monotonic() + GONE_WITHIN_S
    for thread in ending:
        thread.join(max(0.0, deadline - time.monotonic()))
    with _changed:
        if not _changed.wait_for(lambda: not _of_others(), max(0.0, deadline - time.monotonic())):
            log.warning("%d commands of this run do not end", len(_of_others()))


def _of_others() -> list[Callable[[], None]]:
    return [end for thread, end in _ends if thread != get_ident()]


def require_not_cancelled() -> None:
    """What another thread has cancelled, or is out of time, starts nothing more.

    Raises:
        Cancelled: this run is.
        RolloutError: the time of this piece of work is up.
    """
    require_time()
    if _is_cancelled():
        raise Cancelled


def _is_cancelled() -> bool:
    return _cancelled_by not in (None, get_ident())


def pause(seconds: float) -> None:
    """So many seconds pass.

    Raises:
        Cancelled: at once when another thread cancels the run.
        RolloutError: at once when the time of this piece of work is up.
    """
    with within_limit(_wake), _changed:
        _changed.wait_for(lambda: _is_cancelled() or out_of_time(), seconds)
    require_not_cancelled()


def _wake() -> None:
    with _changed:
        _changed.notify_all()


def end_groups(started: Sequence[Popen[Any]]) -> None:
    """Nothing is left of the processes that still run, nor of what they started in their groups."""
    left = [process for process in started if process.poll() is None]
    for number, within_s in ENDING:
        for process in left:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        deadline = time.monotonic() + within_s
        while left := [process for process in left if _lives(process)]:
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_EVERY_S)
        if not left:
            return
    log.warning("%s does not end, not even killed", ", ".join(str(p.pid) for p in left))


def _lives(process: Popen[Any]) -> bool:
    return process.poll() is None or processes.group_lives(process.pid)


def await_group(group: int, deadline: float) -> None:
    """No process of the group is left, or `time.monotonic()` has come to the deadline."""
    while processes.group_lives(group) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)


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
