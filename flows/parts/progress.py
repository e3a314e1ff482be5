"""How far a long step is: for the terminal, and as Prefect progress artifacts.

The server may be slow or gone: a thread of its own talks to it, and the work never waits.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Lock, Thread
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.prefect_api import configured
from tasks.core.progress import Moved, tell

log = logging.getLogger("rollout")
EVERY_S = 2.0
LAST_WITHIN_S = 1.0


@contextmanager
def progress(work: str, environment: str) -> Generator[Callable[[str, float], None]]:
    """A function that takes a part of the work and the share of it that is done."""
    key = f"{work}-{environment.replace('_', '-')}"
    with bars() as made:

        def show(part: str, share: float) -> None:
            tell(Moved(key, part, round(share * 100), 100))
            made.move(f"{key}-{part}", share, f"{key}: {part}")

        yield show


@contextmanager
def bars() -> Generator["Bars"]:
    """Bars that can be moved while this lasts; a slow server may miss how the last moves end."""
    made = Bars()
    if not configured():
        yield made
        return
    thread = Thread(target=copy_context().run, args=(made.follow,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(LAST_WITHIN_S)
        made.leave()


class Bars:
    """Progress artifacts by their keys. Moving one takes no time; one thread shows them."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._wanted: dict[str, tuple[float, str]] = {}
        self._shown: dict[str, float] = {}
        self._made: dict[str, UUID] = {}
        self._moved = Event()
        self._closed = Event()
        self._left = Event()

    def move(self, key: str, share: float, description: str) -> None:
        with self._guard:
            self._wanted[key] = (share, description)
        self._moved.set()

    def close(self) -> None:
        self._closed.set()
        self._moved.set()

    def leave(self) -> None:
        """Whatever was not shown until now never is."""
        self._left.set()

    def follow(self) -> None:
        """Show what has moved, every two seconds at most, and once more at the end."""
        while not self._closed.is_set():
            self._moved.wait()
            self._moved.clear()
            self._show_all()
            self._closed.wait(EVERY_S)
        self._show_all()

    def _show_all(self) -> None:
        with self._guard:
            wanted = dict(self._wanted)
        for key, (share, description) in wanted.items():
            if share != self._shown.get(key) and not self._left.is_set():
                self._shown[key] = share
                self._show(key, share, description)

    def _show(self, key: str, share: float, description: str) -> None:
        try:
            if key in self._made:
                update_progress_artifact(self._made[key], share * 100)
                return
            made = create_progress_artifact(share * 100, key=key, description=description)
            assert isinstance(made, UUID)  # noqa: S101 - we are no coroutine
            self._made[key] = made
        except Exception as error:  # noqa: BLE001 - the server may be gone, the work goes on
            log.debug("progress of %s is not shown: %s", description, error)
