"""When a piece of work is tried again: after trouble that passes, later and later, not for ever."""

import logging
import random
from dataclasses import dataclass

from config.environment import Retries
from config.errors import RolloutError, StepError
from tasks.core.transient import retry_after_s, transient

log = logging.getLogger("rollout")

# Of many that wait for the same server not all come back in the same second; what is away for 20 s
# is back before the last of five attempts, whatever chance says.
JITTER = (0.75, 1.25)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often work is tried at most, and the first and the longest wait between two tries."""

    most: int = 1
    first_s: float = 0.0
    longest_s: float = 0.0

    @classmethod
    def of(cls, retries: Retries) -> "Attempts":
        return cls(retries.attempts, retries.first_s, retries.longest_s)

    def wait_s(self, failed: int, error: BaseException) -> float:
        """Seconds from the failure with this number to the next try: twice as long each time.

        At least as long as a server has asked for.
        """
        doubled = min(self.first_s * 2 ** (failed - 1), self.longest_s)
        return max(doubled * random.uniform(*JITTER), retry_after_s(error))  # noqa: S311

    def again_in_s(self, failed: int, error: BaseException, left_s: float) -> float | None:
        """Seconds to the next try, None if there is none: said in the log either way."""
        wait_s = self.wait_s(failed, error)
        if failed >= self.most or wait_s >= left_s or not transient(error):
            log.error("%s", error)
            return None
        log.warning("attempt %d of %d in %.0f s: %s", failed + 1, self.most, wait_s, _why(error))
        return wait_s


def given_up(name: str, error: RolloutError, failed: int, seconds: float) -> RolloutError:
    """The error that also says how often it was tried; of the first try it is as it is."""
    if failed < 2:  # noqa: PLR2004
        return error
    tried = f"{failed} times in {seconds:.0f} s"
    if isinstance(error, StepError):
        before = f"{error.tried}; " if error.tried else ""
        return StepError(error.step, error.cause, tried=before + tried, advice=error.advice)
    return StepError(name, str(error), tried=tried)


def _why(error: BaseException) -> str:
    """One line, also where several things stand in the way."""
    if isinstance(error, StepError):
        return error.cause.replace("\n  ", "; ")
    return str(error).partition("\n")[0]
