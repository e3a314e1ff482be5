"""Answers that were asked for before anybody needed them, until a change makes them old."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

# Address of a machine and a file there → its content, None where there is no such file.
Contents = Mapping[tuple[str, Path], bytes | None]


class Prefetched:
    """Files of machines that are slow to ask; nothing until `begin`."""

    def __init__(self) -> None:
        self._coming: Future[Contents] | None = None
        self._taken: set[tuple[str, Path]] = set()

    @property
    def begun(self) -> bool:
        return self._coming is not None

    def begin(self, ask: Callable[[], Contents]) -> None:
        """Ask now, in a thread of its own; whoever takes an answer waits for it."""
        pool = ThreadPoolExecutor(1)
        self._coming = pool.submit(copy_context().run, ask)
        self._taken.clear()
        pool.shutdown(wait=False)

    def forget(self) -> None:
        """Something may have changed on the machines."""
        self._coming = None

    def take(self, address: str, paths: Sequence[Path]) -> dict[Path, bytes | None] | None:
        """The files' contents, each once: who looks again wants to see a change. None: ask."""
        known: Contents = self._coming.result() if self._coming else {}
        keys = [(address, path) for path in paths]
        if self._taken.intersection(keys) or not all(key in known for key in keys):
            return None
        self._taken.update(keys)
        return {path: known[address, path] for path in paths}
