"""Whom health notifies."""

from functools import partial

from blocks import notification
from tasks.core.site import Site
from tasks.probes.connections.connection import Connection


def targets(site: Site) -> list[Connection]:
    """Each gets a message that says it is only a check."""
    return [
        Connection("notification", "health.notify", slug, partial(_ask, site, slug))
        for slug in site.environment.health.notify
    ]


def _ask(site: Site, slug: str) -> str:
    body = "Somebody checked this connection; nothing is wrong."
    notification.send(slug, f"{site.name}: a check", body)
    return "took a message"
