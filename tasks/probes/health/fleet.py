"""Many environments looked at by one run, a few at a time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from threading import Semaphore

from httpx import HTTPError

from blocks import health_record
from blocks.health_record import Stored
from config.errors import RolloutError
from config.rules.finding import Status, worst
from config.rules.health.record import Record
from tasks.core.site import Site
from tasks.probes.health.ask import Checkup

_BATCH = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the status page: little enough to keep for a thousand environments."""

    environment: str
    status: Status
    since: float
    bad: tuple[str, ...]
    said: str
    seconds: float


def visit(
    names: Sequence[str],
    opened: Callable[[str], Site],
    ask: Callable[[Site, Stored], Checkup],
    *,
    at_once: int,
    fresh_s: float = 0.0,
) -> list[Summary]:
    """A summary of each, in their order; one that cannot be opened stops no other.

    `fresh_s`: what a run of the last so many seconds left is as good as asking again.
    """

    def one(name: str, kept: Stored) -> Summary:
        began = time.monotonic()
        try:
            if time.time() - kept.record.at < fresh_s:
                return _remembered(name, kept.record, time.monotonic() - began)
            return _summary(ask(opened(name), kept))
        except (RolloutError, HTTPError) as error:  # the latter of a Prefect server that is busy
            took = time.monotonic() - began
            return Summary(name, Status.UNKNOWN, time.time(), (), str(error), took)

    futures: list[Future[Summary]] = []
    # Records are large, and change: read for a few at a time, not long before they are used.
    room = Semaphore(at_once)
    with ThreadPoolExecutor(at_once) as pool:
        for first in range(0, len(names), _BATCH):
            batch = names[first : first + _BATCH]
            for name, kept in health_record.load_all(batch).items():
                room.acquire()
                future = pool.submit(copy_context().run, one, name, kept)
                future.add_done_callback(lambda _: room.release())
                futures.append(future)
        return [future.result() for future in futures]


def _summary(seen: Checkup) -> Summary:
    causes = [f for f in seen.findings if f.at_fault]
    causes.sort(key=lambda finding: -finding.status.rank)
    since = min((seen.since(finding) for finding in causes), default=seen.record.at)
    return Summary(
        seen.environment,
        seen.status,
        since,
        tuple(finding.probe for finding in causes),
        causes[0].said if causes else seen.during,
        seen.seconds,
    )


def _remembered(name: str, record: Record, seconds: float) -> Summary:
    bad = {probe: known for probe, known in record.probes.items() if known.status is not Status.OK}
    causes = sorted(bad, key=lambda probe: -bad[probe].status.rank)
    return Summary(
        name,
        worst(known.status for known in bad.values()),
        min((known.since for known in bad.values()), default=record.at),
        tuple(causes),
        bad[causes[0]].said if causes else "",
        seconds,
    )
