"""Workers hand over: a new one takes jobs before the old one leaves its queues."""

from collections.abc import Iterable

from clients.docker_objects import Container
from clients.waiting import until
from tasks.core.site import Site
from tasks.steps.ending import EVERY_S, asked
from tasks.steps.pairs import Pair
from tasks.tools import celery


def hand_over(site: Site, found: Iterable[Pair]) -> str:
    """Which new worker takes no jobs, so that none is handed to any; empty: all were."""
    workers = [one for one in found if site.release.services[one.service].overlap == "jobs"]
    own: dict[str, list[str]] = {}
    for one in workers:
        queues = _queues(site, one)
        if queues is None:
            return f"the new {one.service} takes no jobs"
        own[one.service] = queues
    for one in (each for each in workers if each.old.ready):
        if not own[one.service]:
            _take(site, one.new, one.old)
        asked(site, one.old, celery.leave())
    return ""


def take(site: Site, worker: Container, other: Container) -> None:
    """The worker takes jobs from the queues of the other one, if it had left its own."""
    if not asked(site, worker, celery.queues()):
        _take(site, worker, other)


def _take(site: Site, worker: Container, other: Container) -> None:
    asked(site, worker, celery.take(asked(site, other, celery.queues())))


def _queues(site: Site, one: Pair) -> list[str] | None:
    """Those of the new one, None where it does not answer: it may be on its way to the broker."""

    def answer() -> list[str] | None:
        status, text = site.docker.execute(one.new.id, celery.queues())
        return celery.parse(text) if status == 0 else None

    return until(
        answer,
        lambda found: found is not None,
        within_s=site.environment.dify.start_within_s,
        every_s=EVERY_S,
        waiting=f"compose: waiting for the new {one.service} to take jobs",
    )
