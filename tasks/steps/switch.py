"""The way back by hand from new containers to old ones that still run."""

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Outcome, converge
from tasks.steps.ahead import Written
from tasks.steps.back import lead_back, living
from tasks.steps.drain import Drain
from tasks.steps.pairs import Pair


def plan(site: Site) -> Outcome:
    """What `switch_back` would change."""
    return _outcome(site, applied=False)


def switch_back(site: Site) -> Outcome:
    """The old containers that still run serve again; the new ones end what they had begun.

    Raises:
        StepError: no old one runs on any node.
    """
    outcome = _outcome(site, applied=True)
    if not outcome.changes:
        raise StepError(
            "compose",
            "no old container runs beside a new one",
            advice="what was changed is a setting or an image: put that back, and deploy",
        )
    sites = site.on_each()
    lead_back(sites)
    return outcome + converge(Drain(sites, Written()), patience=site.within(1))


def _outcome(site: Site, *, applied: bool) -> Outcome:
    changes = [_change(each, one) for each in site.on_each() for one in living(each)]
    return Outcome("compose", tuple(changes), 0.0, applied=applied)


def _change(site: Site, one: Pair) -> Change:
    what = f"lead back to the old {one.service} on {site.node.name}"
    return Change(Kind.CHANGE, one.service, what, one.new.defined, one.old.defined)
