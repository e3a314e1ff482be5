"""What is transferred, as artifacts of the run: how far it is, and where everything came from."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import copy_context
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.prefect_api import configured
from flows.parts import recording
from tasks.core.progress import Arrived, Event, watched_by
from tasks.core.site import Site

EVERY_S = 2.0


class Board:
    """Bytes of every part that moves, and what has arrived."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[tuple[str, str], tuple[int, int]] = {}
        self.arrived: list[Arrived] = []

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Arrived):
                self.arrived.append(event)
            else:
                self._parts[event.what, event.part] = (event.done, event.total)

    def percent(self) -> float | None:
        """Of all bytes known of so far; None before the first."""
        with self._lock:
            sizes = list(self._parts.values())
        total = sum(total for _, total in sizes)
        return min(100.0, 100 * sum(done for done, _ in sizes) / total) if total else None


@contextmanager
def transfers(site: Site) -> Generator[None]:
    """Follow what moves meanwhile; a run that moves nothing leaves no artifact."""
    if not configured():
        yield
        return
    key, board, ended = site.name.replace("_", "-"), Board(), threading.Event()
    follower = threading.Thread(target=copy_context().run, args=(_follow, key, board, ended))
    follower.start()
    try:
        with watched_by(board):
            yield
    finally:
        ended.set()
        follower.join()
    if board.arrived:
        rows = [
            {"image": a.what, "from": a.source, "seconds": round(a.seconds, 1)}
            for a in board.arrived
        ]
        recording.table(f"images-{key}", rows, f"Where the images of {key} came from")


def _follow(key: str, board: Board, ended: threading.Event) -> None:
    artifact: UUID | None = None
    shown: float | None = None
    last = False
    while not last:
        last = ended.wait(EVERY_S)
        percent = board.percent()
        if percent is None or percent == shown:
            continue
        if artifact is None:
            artifact = cast(
                UUID,
                create_progress_artifact(
                    progress=percent,
                    key=f"images-progress-{key}",
                    description=f"Images of {key}, bytes transferred",
                ),
            )
        else:
            update_progress_artifact(artifact, percent)
        shown = percent
