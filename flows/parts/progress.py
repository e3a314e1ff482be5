"""How far a long step is: for the terminal, and as Prefect progress artifacts."""

import logging
import time
from contextvars import copy_context
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.prefect_api import configured
from tasks.core.progress import Moved, tell

log = logging.getLogger("rollout")
EVERY_S = 2.0


class Progress:
    """One bar a part, moved every two seconds at most. What cannot be shown stops nothing."""

    def __init__(self, key: str) -> None:
        self._key = key
        # Whoever watches this run; it is told from threads that know nothing of the run.
        self._context = copy_context()
        self._bars: dict[str, UUID] = {}
        self._moved: dict[str, float] = {}

    def __call__(self, part: str, share: float) -> None:
        seen = Moved(self._key, part, round(share * 100), 100)
        self._context.copy().run(tell, seen)
        if not configured():
            return
        try:
            self._move(part, share)
        except Exception as error:  # noqa: BLE001 - the server may be gone, the work goes on
            log.debug("progress of %s is not shown: %s", part, error)

    def _move(self, part: str, share: float) -> None:
        now = time.monotonic()
        if part not in self._bars:
            made = create_progress_artifact(
                share * 100, key=f"{self._key}-{part}", description=f"{self._key}: {part}"
            )
            assert isinstance(made, UUID)  # noqa: S101 - we are no coroutine
            self._bars[part] = made
        elif share >= 1 or now - self._moved[part] >= EVERY_S:
            update_progress_artifact(self._bars[part], share * 100)
        else:
            return
        self._moved[part] = now
