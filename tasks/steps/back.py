"""Back to the old containers that still run: routes and queues alone change, no data."""

from clients.docker_objects import Container
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.ending import asked
from tasks.steps.pairs import Pair, pairs
from tasks.steps.routes import Routes
from tasks.steps.written import write, written
from tasks.tools import celery


def lead_back(site: Site) -> list[Container]:
    """The old containers that serve again; none where none of them runs.

    The new ones stay, and nothing leads to them. compose.yaml describes the old ones by what config
    says now, so that the next deploy makes the change again.

    Raises:
        StepError: an old one does not answer; then the new ones serve on.
    """
    found, before = living(site), written(site)
    if not found:
        return []
    write(site, {**before, **{one.service: one.old.colour for one in found}})
    try:
        converge(Routes(site), patience=site.within(1))
    except StepError:
        write(site, before)
        raise
    for one in found:
        if site.release.services[one.service].overlap == "jobs":
            _take_jobs(site, one)
    return [one.old for one in found]


def living(site: Site) -> list[Pair]:
    """Services whose old container still runs well."""
    return [one for one in pairs(site) if one.old.ready]


def _take_jobs(site: Site, pair: Pair) -> None:
    """The old worker takes jobs again, from the queues of the new one, if it had left them."""
    if not asked(site, pair.old, celery.queues()):
        asked(site, pair.old, celery.take(asked(site, pair.new, celery.queues())))
