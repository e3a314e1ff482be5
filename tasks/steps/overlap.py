"""Why a new container cannot run beside the old one that it replaces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clients.docker_objects import Container
from config.errors import NotKnown
from config.load import load_release, release_names
from config.pigsty import pooled
from config.rules.colours import places, room
from tasks.core import release_file
from tasks.core.site import Site
from tasks.steps.networks import Networks
from tasks.steps.pgsql import dify_database
from tasks.steps.pgsql_limits import limits

MEMORY = Path("/proc/meminfo")
DATABASE = "database"  # the settings of a service that opens connections to it
_OPEN = """
SELECT count(*) FILTER (WHERE usename = current_user), count(usename) FROM pg_stat_activity
"""


def obstacles(site: Site, replaced: Mapping[str, Container], *, routed: bool) -> dict[str, str]:
    """Service → the reason; one that is not named may overlap.

    `replaced`: the container of each that serves now. `routed`: the stack's nginx runs as it
    should, so that its routes can be switched.
    """
    general = _of_all(site)
    found = {name: general or _of_one(site, replaced[name], routed) for name in replaced}
    beside = {name: replaced[name] for name, why in found.items() if not why}
    if beside and (short := _room(site, beside)):
        found |= dict.fromkeys(beside, short)
    elif connecting := [name for name in beside if DATABASE in site.release.services[name].env]:
        found |= dict.fromkeys(connecting, _places(site))
    return {name: why for name, why in found.items() if why}


def _of_all(site: Site) -> str:
    networks = Networks(site)
    if networks.plan(networks.observe()):
        return "the stack's networks are remade"
    version = release_file.read(site.environment, site.node).version
    if site.release.beside(version) or (
        version in release_names() and load_release(version).beside(site.release.version)
    ):
        return ""
    return f"Dify {version or 'of before'} and {site.release.version} do not run at once"


def _of_one(site: Site, container: Container, routed: bool) -> str:
    service = site.release.services[container.service]
    if not container.ready:
        return f"it is {container.health or container.state}"
    if service.port and not routed:
        return "the stack's nginx is replaced too"
    return ""


def _room(site: Site, beside: Mapping[str, Container]) -> str:
    used = {name: site.docker.memory(one.id) for name, one in beside.items()}
    text = (site.node.read(MEMORY) or b"").decode()
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return room(used, int(rows["MemAvailable"].split()[0]) << 10)


def _places(site: Site) -> str:
    """A pooler in front of PostgreSQL has places for all of them."""
    if pooled(site.environment):
        return ""
    try:
        with dify_database(site).connect() as connection:
            counted: Any = connection.execute(_OPEN).fetchone()
            own, taken = counted
            found = limits(connection, site)
    except NotKnown:
        return "PostgreSQL could not be asked for its free connections"
    return places(own, taken, found.room, found.of_role)
