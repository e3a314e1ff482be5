"""Requests to an address from several threads, counted at the client."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

LONGEST_S = 10.0
Opened = Callable[[], httpx.Client]


@dataclass
class Counted:
    """How each request ended, and how long it took, in seconds."""

    ends: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])

    @property
    def failed(self) -> dict[str, int]:
        return {end: count for end, count in self.ends.items() if not end.startswith("200 ")}

    @property
    def total(self) -> int:
        return self.ends.total()


def _plain() -> httpx.Client:
    return httpx.Client(timeout=LONGEST_S, trust_env=False)


@contextmanager
def load(
    address: str, paths: Sequence[str], *, threads: int = 4, opened: Opened = _plain
) -> Generator[Counted]:
    """Short requests to these paths in turn, a new connection each, until the body has ended."""
    counted, over = Counted(), threading.Event()
    users = [threading.Thread(target=_ask, args=(address, paths, counted, over, opened))
             for _ in range(threads)]  # fmt: skip
    for user in users:
        user.start()
    try:
        yield counted
    finally:
        over.set()
        for user in users:
            user.join(2 * LONGEST_S)


def _ask(
    address: str, paths: Sequence[str], counted: Counted, over: threading.Event, opened: Opened
) -> None:
    number = 0
    while not over.is_set():
        path = paths[number % len(paths)]
        number += 1
        began = time.monotonic()
        try:
            with opened() as client:
                end = str(client.get(address + path).status_code)
        except httpx.HTTPError as error:
            end = type(error).__name__
        counted.ends[f"{end} {path}"] += 1
        counted.seconds.append(time.monotonic() - began)
        time.sleep(0.02)
