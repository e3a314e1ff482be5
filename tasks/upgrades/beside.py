"""An upgrade whose two releases run at once: whether it may be one, and what a way back needs."""

import logging
from collections.abc import Sequence

from config.errors import StepError
from config.hand_steps import HandStep
from config.rules.revisions import Fit
from tasks.core.site import Site
from tasks.steps import revisions
from tasks.steps.back import lead_back
from tasks.steps.stack_look import look
from tasks.upgrades import hand_steps

log = logging.getLogger("rollout")


def outage(site: Site, steps: Sequence[HandStep]) -> str:
    """Why the site's release cannot take over from the one that runs; empty: it can."""
    before = [step for step in steps if step.when == "before"]
    if left := hand_steps.left(site, before):
        return f"{left[0].name} is done while nothing writes"
    for each in site.on_each():
        seen = look(each)
        if not seen.containers:
            return f"nothing runs on {each.node.name}"
        for name, why in seen.obstacles.items():
            return f"no new {name} beside the old one: {why}"
    return ""


def lead_back_at_once(site: Site) -> None:
    """The old containers that live are led to again, before anything else is put back."""
    try:
        lead_back(site.on_each())
    except StepError as error:
        log.warning("upgrade: the old containers are not led to yet: %s", error)


def served(site: Site) -> bool:
    """Whether the site's release serves the schema as it is."""
    revision = revisions.in_database(site)
    return revision is not None and revisions.fits(site, revision) in (Fit.SAME, Fit.BESIDE)
