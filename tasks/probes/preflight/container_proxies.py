"""Proxies of Docker's client configuration, which Docker gives to every container it makes."""

import json

from clients.command import Command
from config.rules.finding import Reading, good
from tasks.core.site import Site

NAME = "container proxies"
_CONFIGURATION = 'cat "${DOCKER_CONFIG:-$HOME/.docker}/config.json" 2>/dev/null || true'


def container_proxies(site: Site) -> Reading:
    """Whether there are any; compose.yaml sets what containers get, so that they have no effect."""
    text = site.node.run(Command(("sh", "-c", _CONFIGURATION), changes=False))
    if not has_proxies(text):
        return good(NAME, "none in Docker's client configuration")
    return good(NAME, "those of ~/.docker/config.json reach no container of Dify")


def has_proxies(text: str) -> bool:
    """Whether the configuration (JSON) names some."""
    try:
        return bool(json.loads(text or "{}").get("proxies"))
    except (ValueError, AttributeError):
        return False
