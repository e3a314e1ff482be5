"""Back to the old containers that still run: routes and queues alone change, no data."""

from collections.abc import Sequence

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.ahead import Written
from tasks.steps.pairs import Pair, pairs
from tasks.steps.routes import Routes
from tasks.steps.workers import take
from tasks.steps.written import write, written


def lead_back(sites: Sequence[Site]) -> list[tuple[Site, Pair]]:
    """The pairs whose old container serves again, on their nodes; none where none of them runs.

    The new ones stay, and nothing leads to them. compose.yaml describes the old ones by what config
    says now, so that the next deploy makes the change again.

    Raises:
        StepError: an old one does not answer; then the new ones serve on.
    """
    found = [(site, one) for site in sites for one in living(site)]
    if not found:
        return []
    before = [(site, written(site)) for site in sites]
    for site, names in before:
        mine = {one.service: one.old.colour for each, one in found if each is site}
        write(site, {**names, **mine})
    try:
        converge(Routes(sites, Written()), patience=sites[0].within(1))
    except StepError:
        for site, names in before:
            write(site, names)
        raise
    for site, one in found:
        if site.release.services[one.service].overlap == "jobs":
            take(site, one.old, one.new)
    return found


def living(site: Site) -> list[Pair]:
    """Services whose old container still runs well."""
    return [one for one in pairs(site) if one.old.ready]
