"""Many environments looked at by one run, a few at a time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from config.desired.health.verdict import Status
from config.errors import RolloutError
from tasks.health.look import Look
from tasks.site import Site


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
    attend: Callable[[Site], Look],
    *,
    at_once: int,
) -> list[Summary]:
    """A summary of each, in their order; one that cannot be opened stops no other."""

    def one(name: str) -> Summary:
        began = time.monotonic()
        try:
            return _summary(attend(opened(name)))
        except RolloutError as error:
            took = time.monotonic() - began
            return Summary(name, Status.UNKNOWN, time.time(), (), str(error), took)

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(copy_context().run, one, name) for name in names]
        return [future.result() for future in futures]


def _summary(seen: Look) -> Summary:
    causes = [f for f in seen.findings if f.bad and not f.because]
    causes.sort(key=lambda finding: -finding.status.rank)
    since = min((seen.since(finding) for finding in causes), default=seen.record.at)
    return Summary(
        seen.environment,
        seen.status,
        since,
        tuple(finding.probe for finding in causes),
        causes[0].said if causes else "",
        seen.seconds,
    )
