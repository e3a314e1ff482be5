"""Bars on a terminal: one for each image, one for each of its layers that moves."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)

from tasks.core.progress import Arrived, Event, Moved, watched_by

PART_SHOWN = 20


class Bars:
    """What moves, drawn; a part that has arrived makes room for others."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._parts: dict[str, dict[str, Moved]] = {}
        self._bars: dict[tuple[str, str], TaskID] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Arrived):
            self._progress.console.print(f"{event.what} from {event.source}", highlight=False)
            return
        parts = self._parts.setdefault(event.what, {})
        parts[event.part] = event
        self._draw((event.what, ""), event.what, list(parts.values()))
        name = event.part.rpartition("/")[2][:PART_SHOWN]
        self._draw((event.what, event.part), f"  {name}", [event])
        if event.done >= event.total:
            self._progress.update(self._bars[event.what, event.part], visible=False)

    def _draw(self, key: tuple[str, str], text: str, events: list[Moved]) -> None:
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(text, total=None)
        done, total = sum(e.done for e in events), sum(e.total for e in events)
        self._progress.update(self._bars[key], completed=done, total=total or None)


@contextmanager
def bars(*, shares: bool = False) -> Generator[None]:
    """Draw everything that moves meanwhile, in bytes or `shares`; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield
        return
    amount = TaskProgressColumn() if shares else DownloadColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount)
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    with progress, watched_by(Bars(progress)):
        yield
