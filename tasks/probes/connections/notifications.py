"""Whom health notifies."""

from functools import partial

from blocks import notification
from tasks.core.site import Site
from tasks.probes.connections.connection import connection
from tasks.probes.engine import Probe

ADVICE = "mend the block in the UI under Blocks"


def targets(site: Site) -> list[Probe]:
    """Each gets a message that says it is only a check."""
    return [
        connection("notification", "health.notify", slug, partial(_ask, site, slug), ADVICE)
        for slug in site.environment.health.notify
    ]


def _ask(site: Site, slug: str) -> str:
    body = "Somebody checked this connection; nothing is wrong."
    notification.send(slug, f"{site.name}: a check", body)
    return "took a message"
