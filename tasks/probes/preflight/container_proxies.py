"""Proxies that Docker's command hands to every container, where its own configuration has them."""

import json
from collections.abc import Iterator
from typing import Any

from clients.command import Command
from config.desired.services import active
from config.rules.finding import Reading, bad, good
from tasks.core.site import Site

NAME = "container proxies"
_CONFIGURATION = 'cat "${DOCKER_CONFIG:-$HOME/.docker}/config.json" 2>/dev/null || true'
_HERE = ("localhost", "127.0.0.1")


def container_proxies(site: Site) -> Reading:
    """Whether what is asked inside the stack goes past them."""
    text = site.node.run(Command(("sh", "-c", _CONFIGURATION), changes=False))
    missing = beside(text, [*_HERE, *active(site.environment, site.release)])
    if not missing:
        return good(NAME, "none that stand between the services")
    return bad(
        NAME,
        "the proxies of Docker's client configuration (~/.docker/config.json) get into every "
        "container, and would be asked for what is inside the stack",
        advice=f"take `proxies` out there, or add to its noProxy: {','.join(missing)}",
    )


def beside(text: str, names: list[str]) -> list[str]:
    """Of these names those that a proxy of the configuration (JSON) would be asked for."""
    return sorted({name for listed in _exceptions(text) for name in names if name not in listed})


def _exceptions(text: str) -> Iterator[list[str]]:
    """What each proxy is not asked for; a star is everything, and then there is no proxy."""
    try:
        proxies: Any = json.loads(text or "{}").get("proxies") or {}
    except (ValueError, AttributeError):
        return
    for each in proxies.values():
        listed = [name.strip() for name in str(each.get("noProxy", "")).split(",")]
        if (each.get("httpProxy") or each.get("httpsProxy")) and "*" not in listed:
            yield listed
