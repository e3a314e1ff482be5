"""The queues of the other Dify: nothing that waits in one is lost."""

from typing import Any

from clients.waiting import until
from config.errors import StepError
from tasks.adoption.origin import STEP
from tasks.core.site import Site
from tasks.steps.redis import dify_redis

DRAIN_S, POLL_S = 300.0, 0.5
# Celery's hash of what a worker has in hand.
UNACKED = "unacked"


def drain(there: Site) -> None:
    """Its worker has done every job.

    Raises:
        StepError: jobs still wait, and would be lost.
    """
    left = until(
        lambda: waiting(there),
        lambda found: not found,
        within_s=there.within(DRAIN_S),
        every_s=POLL_S,
    )
    if left:
        raise StepError(
            STEP,
            f"{sum(left.values())} jobs still wait in {', '.join(left)}",
            advice="let its worker finish them, or look why it does not: docker logs of worker",
        )


def waiting(there: Site) -> dict[str, int]:
    """Queue → jobs in it, those that a worker has in hand among them; empty queues left out."""
    ignored = set(there.release.redis.ignored_queues)
    with dify_redis(there, broker=True).client() as client:
        broker: Any = client
        lists = [str(name) for name in broker.scan_iter(_type="list")]
        found = {name: int(broker.llen(name)) for name in lists if name not in ignored}
        found[UNACKED] = int(broker.hlen(UNACKED))
    return {name: count for name, count in found.items() if count}
