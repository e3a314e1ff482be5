"""What a switch leads to and leaves behind, foretold before any new container has started."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from clients.docker_objects import Container
from config.desired.colours import Colours
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.steps import stack_nginx
from tasks.steps.pairs import pairs
from tasks.steps.written import written


@dataclass(frozen=True, slots=True)
class Ahead:
    """Of one node: the colours to lead to, and the containers that are old once it is done.

    `nginx`: the one that has to be led; None where none runs, or it starts with these routes.
    `images`: service → id of its image then. `over`: what was kept for its files, for long enough.
    """

    nginx: Container | None
    colours: Colours
    old: tuple[Container, ...]
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    over: tuple[Container, ...] = ()


class Sight(Protocol):
    """Where a switch finds what is ahead of it on a node."""

    def ahead(self, site: Site) -> Ahead: ...
    def forget(self) -> None:
        """Something was changed: the next answer is a new one."""


class Written:
    """What compose.yaml names is what is led to."""

    def ahead(self, site: Site) -> Ahead:
        if not usable(site):
            return Ahead(None, {}, ())
        found = pairs(site)
        images = {one.service: one.new.image for one in found}
        old = tuple(one.old for one in found)
        return Ahead(stack_nginx.running(site), written(site), old, images)

    def forget(self) -> None:
        """Every answer is a new one."""
