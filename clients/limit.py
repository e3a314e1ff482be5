"""The limit of a piece of work: what it has started is ended, from whatever thread, at its end.

Prefect's own timeout of a task in a thread is an exception at the next line of Python: a command
that prints nothing for hours reaches none. A limit ends the command, and with it the wait for it.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Event, Lock, Thread, Timer

from config.errors import RolloutError

End = Callable[[], None]


class Limit:
    """What is to be ended when the time is up, and the error that is raised for it from then on."""

    def __init__(self, error: RolloutError, outer: "Limit | None") -> None:
        self._error = error
        self._outer = outer
        self._guard = Lock()
        self._ends: list[End] = []
        self._over = False

    def add(self, end: End) -> None:
        if self._outer:
            self._outer.add(end)
        with self._guard:
            self.require_time()
            self._ends.append(end)

    def remove(self, end: End) -> None:
        """Nothing, where it was never added."""
        if self._outer:
            self._outer.remove(end)
        with self._guard:
            if end in self._ends:
                self._ends.remove(end)

    @property
    def over(self) -> bool:
        return self._over or (self._outer is not None and self._outer.over)

    def require_time(self) -> None:
        if self._outer:
            self._outer.require_time()
        if self._over:
            raise self._error

    def end_all(self) -> None:
        with self._guard:
            self._over = True
            ends = list(self._ends)
        for end in ends:
            Thread(target=end, daemon=True).start()


_limit: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def limited(within_s: float, error: RolloutError) -> Generator[None]:
    """After so many seconds what was started meanwhile is ended, and nothing more is started.

    Raises:
        RolloutError: `error`, in place of what the end of a command would have been taken for.
    """
    limit = Limit(error, _limit.get())
    timer = Timer(within_s, limit.end_all)
    timer.daemon = True
    timer.start()
    try:
        with _set(limit):
            yield
    finally:
        timer.cancel()


@contextmanager
def while_answering(
    answers: Callable[[], bool], error: RolloutError, *, every_s: float, silences: int
) -> Generator[None]:
    """What was started meanwhile is ended once so many questions in a row got no answer.

    Raises:
        RolloutError: `error`, as of `limited`.
    """
    limit, over = Limit(error, _limit.get()), Event()

    def watch() -> None:
        silent = 0
        with suppress(RolloutError):  # of a run that is cancelled: there is nothing left to end
            while silent < silences and not over.wait(every_s):
                silent = 0 if answers() else silent + 1
        if silent == silences:
            limit.end_all()

    Thread(target=watch, name="watch", daemon=True).start()
    try:
        with _set(limit):
            yield
    finally:
        over.set()


@contextmanager
def _set(limit: Limit) -> Generator[None]:
    token = _limit.set(limit)
    try:
        yield
    except Exception:
        limit.require_time()
        raise
    finally:
        _limit.reset(token)


@contextmanager
def within_limit(end: End) -> Generator[None]:
    """`end` is called when the time of this piece of work is up before this is left.

    Raises:
        RolloutError: it already is.
    """
    limit = _limit.get()
    if limit is None:
        yield
        return
    limit.add(end)
    try:
        yield
    finally:
        limit.remove(end)


def out_of_time() -> bool:
    """Whether the time of this piece of work is up."""
    limit = _limit.get()
    return limit is not None and limit.over


def require_time() -> None:
    """The time of this piece of work is not up.

    Raises:
        RolloutError: it is.
    """
    if limit := _limit.get():
        limit.require_time()
