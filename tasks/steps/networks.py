"""The stack's networks are made as its compose.yaml says."""

from dataclasses import dataclass

from config.desired import compose as desired
from config.desired.compose import inside
from config.desired.services import active
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps.docker import compose_prefix
from tasks.tools import compose

Options = dict[str, str]


@dataclass(frozen=True, slots=True)
class Networks:
    """A network that was made otherwise is made anew, since no engine changes one.

    Newer versions of Compose would do that themselves, older ones go on with what is there.
    """

    site: Site
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> dict[str, Options]:
        """Of each network of the project its driver's options."""
        if not usable(self.site):
            return {}
        return self.site.docker.networks(self.site.environment.dify.project)

    def plan(self, actual: dict[str, Options]) -> list[Change]:
        wanted = {name: desired.options(name) for name in actual}
        return [
            Change(
                Kind.CHANGE,
                f"network {name}",
                f"remake the network {name}",
                str(found or "open"),
                str(wanted[name]),
                "down",
            )
            for name, found in actual.items()
            if found != wanted[name]
        ]

    def apply(self, change: Change) -> None:
        """Its containers go with it; the stack's own step starts them again."""
        self.site.node.run(
            compose.down(compose_prefix(self.site.node), self.site.environment.dify.home)
        )


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
