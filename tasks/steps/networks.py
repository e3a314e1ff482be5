"""The stack's networks are made as its compose.yaml says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clients.docker_objects import Network
from config.desired import compose as desired
from config.desired.compose import inside
from config.desired.services import active
from config.desired.subnets import subnets
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step, converge
from tasks.steps.docker import compose_prefix
from tasks.steps.outage import announced
from tasks.tools import compose


@dataclass(frozen=True, slots=True)
class Networks:
    """A network that was made otherwise is made anew, since no engine changes one.

    Newer versions of Compose would do that themselves, older ones go on with what is there.
    `starting`: what starts its containers again.
    """

    site: Site
    starting: Sequence[Step[Any]] = ()
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> dict[str, Network]:
        """The project's networks, by their names in compose.yaml."""
        if not usable(self.site):
            return {}
        return self.site.docker.networks(self.site.environment.dify.project)

    def plan(self, actual: dict[str, Network]) -> list[Change]:
        ranges = subnets(self.site.environment)
        wanted = {
            name: Network(desired.options(name), str(ranges[name]))
            for name in actual
            if name in ranges
        }
        return [
            Change(
                Kind.CHANGE,
                f"network {name}",
                f"remake the network {name}",
                _said(actual[name]),
                f"{_said(made)}; Dify is away meanwhile",
                "down",
            )
            for name, made in wanted.items()
            if actual[name] != made
        ]

    def apply(self, change: Change) -> None:
        """Its containers go with it and start again, behind the page of maintenance."""
        with announced(self.site, active(self.site.environment, self.site.release)):
            self.site.node.run(
                compose.down(compose_prefix(self.site.node), self.site.environment.dify.home)
            )
            for part in self.starting:
                converge(part, patience=self.site.within(1))


def _said(network: Network) -> str:
    return f"{network.subnet} {network.options or 'open'}"


@dataclass(frozen=True, slots=True)
class Unused:
    """Networks of services that were switched off are gone: each holds addresses of the machine."""

    site: Site
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> list[str]:
        """The project's networks that its compose.yaml does not name."""
        if not usable(self.site):
            return []
        known = self.site.docker.networks(self.site.environment.dify.project)
        return [name for name in known if name not in self._wanted()]

    def plan(self, actual: list[str]) -> list[Change]:
        return [
            Change(Kind.REMOVE, f"network {name}", f"remove the network {name}", "unused", "", "rm")
            for name in actual
        ]

    def apply(self, change: Change) -> None:
        project = self.site.environment.dify.project
        self.site.docker.remove_networks(project, but=self._wanted())

    def _wanted(self) -> list[str]:
        return ["default", *inside(active(self.site.environment, self.site.release))]
