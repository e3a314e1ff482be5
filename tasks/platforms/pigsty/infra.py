"""Pigsty installed on its nodes: the one playbook over everything, run once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clients.command import Command
from clients.files import File
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.platforms.pigsty.playbook import play
from tasks.platforms.pigsty.secrets import hide
from tasks.platforms.pigsty.tree import require_tree

AUTHORITY = "files/pki/ca/ca.crt"
# Lies in the tree from before the playbook starts until it has ended well: an installation that
# was interrupted looks like a finished one otherwise.
MARKER = ".dify-rollout.installing"
KNOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Actual:
    """Whether the tree has installed something, whether ours was cut off, who answers already."""

    authority: bool
    begun: bool
    answering: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Install:
    """The tree has installed its nodes: it has made its certificate authority."""

    site: Site
    name: str = "install"
    settle_s: float = 0

    def observe(self) -> Actual:
        home = self.site.environment.pigsty.home
        found = self.site.admin.look([home / AUTHORITY, home / MARKER])
        authority, begun = (found[home / name] is not None for name in (AUTHORITY, MARKER))
        return Actual(authority, begun, () if authority or begun else self._answering())

    def plan(self, actual: Actual) -> Sequence[Planned]:
        if actual.authority and not actual.begun:
            return []
        if actual.answering:
            home = self.site.environment.pigsty.home
            return [
                Blocked(
                    "install Pigsty on its nodes",
                    f"{', '.join(actual.answering)} answers already, and the tree in {home} has "
                    "installed nothing yet (it has no certificate authority)",
                    "mend pigsty.home: it must be the tree that installed what is there",
                )
            ]
        before = "was interrupted" if actual.begun else "absent"
        return [Change(Kind.MAKE, "Pigsty", "install Pigsty on its nodes", before, "installed")]

    def apply(self, change: Change) -> None:
        """Run again over what is installed, the playbook restarts it, and an old one purges it."""
        found = require_tree(self.site, self.name)
        marker = found.home / MARKER
        self.site.admin.write(File(marker, b"", 0o600, keep_previous=False))
        played = play(self.site, self.name, found, found.install())
        if played and played.fatal:
            raise StepError(
                "install",
                f"Pigsty is not installed: {hide(self.site, str(played.fatal[0]))}",
                tried=str(found.install()),
                advice="mend that; running the deploy again runs the playbook again",
            )
        self.site.admin.run(Command(("rm", "-f", str(marker))))

    def _answering(self) -> tuple[str, ...]:
        environment = self.site.environment
        places = {
            "the portal": (environment.pigsty.admin_ip, environment.portal.http_port),
            "PostgreSQL": (environment.postgres.host, environment.postgres.port),
        }
        return tuple(
            f"{name} at {host}:{port}"
            for name, (host, port) in places.items()
            if not self.site.admin.knock(host, port, KNOCK_S)
        )


def infra_steps(site: Site) -> list[Step[Any]]:
    return [Install(site)]
