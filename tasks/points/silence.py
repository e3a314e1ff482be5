"""The end of work on a store that has stopped answering."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from clients.limit import while_answering
from config.errors import RolloutError

ASK_EVERY_S = 30.0
SILENCES = 4


def longest_s() -> float:
    """Seconds that a store may be silent: restic and rclone alone would wait for hours."""
    return SILENCES * ASK_EVERY_S


def watched(answers: Callable[[], bool], error: RolloutError) -> AbstractContextManager[None]:
    """Work that is ended with `error` once the store has been silent for `longest_s`."""
    return while_answering(answers, error, every_s=ASK_EVERY_S, silences=SILENCES)
