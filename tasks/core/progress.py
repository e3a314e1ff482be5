"""How far transfers are, for whoever watches: bars of a terminal, an artifact of the run."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

log = logging.getLogger("rollout")


@dataclass(frozen=True, slots=True)
class Moved:
    """`done` of `total` bytes of one part (a layer, mostly) of `what` are there."""

    what: str
    part: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """`what` is there whole; `source` says where from."""

    what: str
    source: str
    seconds: float


Event = Moved | Arrived
Watcher = Callable[[Event], None]

_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())


@contextmanager
def watched_by(watcher: Watcher) -> Generator[None]:
    """Tell `watcher` everything that moves meanwhile, from whatever thread moves it."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


def tell(event: Event) -> None:
    """What a watcher raises stops nothing."""
    for watcher in _watchers.get():
        try:
            watcher(event)
        except Exception as error:  # noqa: BLE001 - who only watches stops no work
            log.debug("progress is not shown: %s", error)
