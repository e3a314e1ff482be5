"""What is transferred, as artifacts of the run: how far it is, and where everything came from."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from blocks.prefect_api import configured
from flows.parts import recording
from flows.parts.progress import bars
from tasks.core.progress import Arrived, Event, watched_by
from tasks.core.site import Site


class Board:
    """Bytes of every part that moves, and what has arrived; `show` gets the share of all."""

    def __init__(self, show: Callable[[float], None]) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._parts: dict[tuple[str, str], tuple[int, int]] = {}
        self.arrived: list[Arrived] = []

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Arrived):
                self.arrived.append(event)
                return
            self._parts[event.what, event.part] = (event.done, event.total)
            sizes = list(self._parts.values())
        if total := sum(total for _, total in sizes):
            self._show(min(1.0, sum(done for done, _ in sizes) / total))


@contextmanager
def transfers(site: Site) -> Generator[None]:
    """Follow what moves meanwhile; a run that moves nothing leaves no artifact."""
    if not configured():
        yield
        return
    key = site.name.replace("_", "-")
    with bars() as shown:

        def show(share: float) -> None:
            shown.move(f"images-progress-{key}", share, f"Images of {key}, bytes transferred")

        board = Board(show)
        with watched_by(board):
            yield
    if board.arrived:
        rows = [
            {"image": a.what, "from": a.source, "seconds": round(a.seconds, 1)}
            for a in board.arrived
        ]
        recording.table(f"images-{key}", rows, f"Where the images of {key} came from")
