"""The domain is nobody else's: nginx has no file for it that this environment did not write."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.site import Site
from tasks.core.step import Blocked, Change
from tasks.platforms.pigsty.nginx import conf_path, names_serving


@dataclass(frozen=True, slots=True)
class FreeDomain:
    """No file of somebody else serves the domain: of two servers nginx takes the first it reads.

    An adoption takes the domain from the Dify it takes over, and asks itself whose it is.
    """

    site: Site
    name: str = "portal"
    settle_s: float = 0

    def observe(self) -> list[str]:
        if self.site.adopting:
            return []
        own = conf_path(self.site).name
        return [name for name in names_serving(self.site) if name != own]

    def plan(self, actual: list[str]) -> Sequence[Blocked]:
        if not actual:
            return []
        name, domain = self.site.name, self.site.environment.portal.domain
        return [
            Blocked(
                f"serve {domain}",
                f"{domain} is served by {', '.join(actual)} of the portal, which {name} has not "
                "written",
                f"set portal.domain in config/environments/{name}.toml to another one; if that is "
                f"a Dify to be taken over: rollout adopt {name}",
            )
        ]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""
