"""Services that run twice now: an old container beside the new one that has replaced it."""

from dataclasses import dataclass

from clients.docker_objects import Container
from config.desired.colours import Colour
from config.desired.services import active
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.steps.containers import containers
from tasks.steps.written import written


@dataclass(frozen=True, slots=True)
class Pair:
    """`new` has the colour that compose.yaml names, `old` the other one."""

    service: str
    old: Container
    new: Container


def pairs(site: Site) -> list[Pair]:
    """Each old container of a service that has both colours; without an engine there are none."""
    if not usable(site):
        return []
    colours, services = written(site), active(site.environment, site.release)
    mine = [one for one in containers(site) if not one.kept and one.service in services]
    new = {c.service: c for c in mine if c.colour == colours.get(c.service, Colour.BLUE)}
    old = [c for c in mine if c.colour != colours.get(c.service, Colour.BLUE)]
    return [Pair(one.service, one, new[one.service]) for one in old if one.service in new]
