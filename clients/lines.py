"""Lines of output for a callback that may be slow: the reading thread never waits for it."""

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Condition, Thread

log = logging.getLogger("rollout")

OnLine = Callable[[str], None]

KEPT = 10_000
SLOW_S = 0.2
CLOSE_WITHIN_S = 2.0


def ignored(line: str) -> None:
    """No callback was given."""


@contextmanager
def handed_on(on_line: OnLine | None) -> Generator[OnLine]:
    """A function that takes lines without ever waiting, and hands them to `on_line`.

    `on_line` is called in one thread, in the context of the caller, so its log is the run's. One
    that is slower than the lines come misses the oldest of them; what it raises is logged and
    stops nothing.
    """
    if on_line is None:
        yield ignored
        return
    queue = _Queue(on_line)
    try:
        yield queue.put
    finally:
        queue.close()


class _Queue:
    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._changed = Condition()
        self._busy_since: float | None = None
        self._closed = False
        Thread(target=copy_context().run, args=(self._work,), daemon=True).start()

    def put(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def close(self) -> None:
        """Lines that wait are still handed over, but a slow callback is not waited for."""
        deadline = time.monotonic() + CLOSE_WITHIN_S
        with self._changed:
            while (self._lines or self._busy_since) and not self._slow(deadline):
                self._changed.wait(SLOW_S)
            self._closed = True
            self._changed.notify_all()

    def _slow(self, deadline: float) -> bool:
        now = time.monotonic()
        return now > deadline or bool(self._busy_since and now - self._busy_since > SLOW_S)

    def _work(self) -> None:
        while (line := self._next()) is not None:
            try:
                self._on_line(line)
            except Exception as error:  # noqa: BLE001 - who only listens stops no work
                log.debug("a line of output was not taken: %s", error)

    def _next(self) -> str | None:
        with self._changed:
            self._busy_since = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines or self._closed)
            if self._closed:
                return None
            self._busy_since = time.monotonic()
            return self._lines.popleft()
