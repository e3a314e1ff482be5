"""What of a stack there is, and what follows from it: which colour of each service is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clients.docker_objects import Container
from config.desired.colours import Colour, Colours, named
from config.release import Service
from config.rules.colours import Side, current, wanted
from tasks.steps.stack_nginx import NGINX


@dataclass(frozen=True, slots=True)
class Actual:
    """Containers by service, the hash each should have, the id of the image of each service.

    Without an engine or Compose there are none of them. `other`: the folder of another stack that
    has the project's name. `written`: the colour that compose.yaml names, `routed` the one that the
    stack's nginx leads to. `obstacles`: why no new one can run beside one that has to be replaced.
    `kept`: what stays of before for its files, `over` those of them that have stayed long enough.
    `networks`: the engine's names of those that each service is to be in.
    `start_s`: how long the last start took until all was healthy; 0 where that is not known.
    """

    services: Mapping[str, Service]
    containers: Mapping[str, list[Container]] = field(default_factory=dict[str, list[Container]])
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    other: str = ""
    written: Colours = field(default_factory=dict[str, Colour])
    routed: Colours = field(default_factory=dict[str, Colour])
    obstacles: Mapping[str, str] = field(default_factory=dict[str, str])
    networks: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    start_s: float = 0.0
    kept: tuple[Container, ...] = ()
    over: tuple[Container, ...] = ()

    def of(self, name: str, colour: Colour) -> list[Container]:
        """The service's containers of that colour."""
        return [one for one in self.containers.get(name, []) if one.colour == colour]

    def fits(self, one: Container) -> bool:
        """Whether its image, settings and networks are the wanted ones."""
        same = self.images.get(one.service) in (None, one.image)
        return same and one.config_hash == self.hashes.get(one.defined) and not self.outside(one)

    def outside(self, one: Container) -> list[str]:
        """The networks it should be in and is not.

        Older engines take the second one after the container was made: a start that was killed
        between the two leaves it there for good, as what Compose calls up to date.
        """
        return sorted(self.networks.get(one.service, frozenset()) - one.networks)

    def serving(self, name: str) -> Colour:
        """The colour of the service that answers now."""
        if not self.services[name].overlap:
            return Colour.BLUE
        routed = self.routed.get(name) if self.services[name].port else None
        return current(self._sides(name), routed, self.written.get(name, Colour.BLUE))

    def wanted(self) -> dict[str, Colour]:
        """Service → the colour it should run in."""
        return {
            name: wanted(
                self._sides(name),
                self.serving(name),
                beside=bool(service.overlap) and name not in self.obstacles,
            )
            for name, service in self.services.items()
        }

    def replaced(self) -> dict[str, Container]:
        """What serves and has to be replaced, of services that may overlap."""
        found = {
            name: self.of(name, self.serving(name))
            for name, service in self.services.items()
            if service.overlap and not any(side.fits for side in self._sides(name))
        }
        return {name: containers[0] for name, containers in found.items() if containers}

    def beside(self) -> list[str]:
        """What compose.yaml calls those that start while the one of the other colour serves."""
        return [
            named(name, colour)
            for name, colour in self.wanted().items()
            if colour != self.serving(name)
            and self.of(name, self.serving(name))
            and not any(one.state == "running" for one in self.of(name, colour))
        ]

    def away(self) -> list[str]:
        """Services that run, and are replaced where they are: nobody answers meanwhile."""
        return [
            name
            for name, colour in self.wanted().items()
            if colour == self.serving(name)
            and any(one.state == "running" and not self.fits(one) for one in self.of(name, colour))
        ]

    def stays(self, name: str) -> bool:
        """Whether the service runs, and nothing about it has to be changed."""
        return any(side.fits and side.running for side in self._sides(name))

    @property
    def led(self) -> bool:
        """Whether the stack's nginx runs on: one that is to be made starts with its routes."""
        return not self.other and self.stays(NGINX)

    def old(self) -> list[Container]:
        """What is beside the one that is wanted, or will be once that has started."""
        wanted = {} if self.other else self.wanted()
        return [
            one
            for name, colour in wanted.items()
            for one in self.containers.get(name, [])
            if one.colour != colour and self._may_be(one)
        ]

    def orphans(self) -> list[Container]:
        """What is of no service, or in a colour that its service does not have."""
        return [
            one
            for name, containers in self.containers.items()
            for one in containers
            if name not in self.services or not self._may_be(one)
        ]

    def _may_be(self, one: Container) -> bool:
        return one.colour == Colour.BLUE or bool(self.services[one.service].overlap)

    def _sides(self, name: str) -> list[Side]:
        found = self.containers.get(name, []) if name in self.services else []
        return [
            Side(one.colour, self.fits(one), one.state == "running", one.created)
            for one in found
            if self._may_be(one)
        ]
