"""Waiting for something by asking again: the one place of this project that sleeps for it.

Limits are in seconds; one that depends on the machine comes multiplied by `nodes.patience`. A wait
ends at once when another thread cancels the run.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_not_result,
    stop_after_delay,
    wait_fixed,
)

from clients.running import pause

log = logging.getLogger("rollout")

SAY_EVERY_S = 30.0

T = TypeVar("T")
Waiting = str | Callable[[], str]


def until(
    ask: Callable[[], T],
    good: Callable[[T], object] = bool,
    *,
    within_s: float,
    every_s: float,
    waiting: Waiting = "",
) -> T:
    """The first good answer; the last answer when the time is over. It is asked once at least.

    `waiting`: what is waited for, logged when the first answer is not good and every
    `SAY_EVERY_S` seconds from then on.
    """
    return _retrying(
        retry_if_not_result(lambda answer: bool(good(answer))),
        within_s,
        every_s,
        waiting,
        retry_error_callback=_last_answer,
    )(ask)


def despite(
    passes: Callable[[BaseException], bool],
    work: Callable[[], T],
    *,
    within_s: float,
    every_s: float,
    waiting: Waiting = "",
) -> T:
    """What `work` returns, called again after each error that `passes`; `waiting` as in `until`.

    Raises:
        what `work` raised last, when the time is over; an error that does not pass, at once.
    """
    return _retrying(retry_if_exception(passes), within_s, every_s, waiting, reraise=True)(work)


def _retrying(
    retry: Any, within_s: float, every_s: float, waiting: Waiting, **more: Any
) -> Retrying:
    return Retrying(
        retry=retry,
        stop=stop_after_delay(within_s),
        wait=wait_fixed(every_s),
        sleep=pause,
        before_sleep=_Progress(waiting) if waiting else None,
        **more,
    )


def _last_answer(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None


class _Progress:
    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._next_s = 0.0

    def __call__(self, state: RetryCallState) -> None:
        waited_s = state.seconds_since_start or 0.0
        if waited_s >= self._next_s:
            waiting = self._waiting() if callable(self._waiting) else self._waiting
            log.info("%s%s", waiting, f", {waited_s:.0f} s so far" if self._next_s else "")
            self._next_s = waited_s + SAY_EVERY_S
