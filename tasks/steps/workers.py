"""Workers hand over: a new one takes jobs before the old one leaves its queues."""

from collections.abc import Iterable
from functools import partial

from clients.docker_objects import Container
from clients.waiting import until
from tasks.core.site import Site
from tasks.steps.ending import EVERY_S, asked
from tasks.steps.pairs import Pair
from tasks.tools import celery


def hand_over(site: Site, found: Iterable[Pair]) -> str:
    """Which new worker takes no jobs, so that none is handed to any; empty: all were."""
    workers = [one for one in found if site.release.services[one.service].overlap == "jobs"]
    for one in workers:
        if not until(
            partial(_answers, site, one.new),
            within_s=site.environment.dify.start_within_s,
            every_s=EVERY_S,
            waiting=f"compose: waiting for the new {one.service} to take jobs",
        ):
            return f"the new {one.service} takes no jobs"
    for one in (each for each in workers if each.old.ready):
        take(site, one.new, one.old)
        asked(site, one.old, celery.leave())
    return ""


def take(site: Site, worker: Container, other: Container) -> None:
    """The worker takes jobs from the queues of the other one, if it had left its own."""
    if not asked(site, worker, celery.queues()):
        asked(site, worker, celery.take(asked(site, other, celery.queues())))


def _answers(site: Site, worker: Container) -> bool:
    """One that runs may still be on its way to the broker."""
    return site.docker.execute(worker.id, celery.ping())[0] == 0
