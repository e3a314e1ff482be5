"""Pigsty's source tree at its home, and Ansible to run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.command import Command, CommandFailed
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.pigsty.secrets import hide
from tasks.platforms.pigsty.tree import INVENTORY, require_tree, tree
from tasks.tools import pigsty as tool
from tasks.tools.pigsty import Tree

FETCH_S = 900


@dataclass(frozen=True, slots=True)
class Source:
    """The tree lies at pigsty.home. One that is there stays, whatever its version."""

    site: Site
    name: str = "bootstrap"
    settle_s: float = 0

    def observe(self) -> Tree | None:
        return tree(self.site)

    def plan(self, actual: Tree | None) -> Sequence[Change]:
        if actual:
            return []
        pigsty = self.site.environment.pigsty
        origin = pigsty.source or tool.url(pigsty.version, pigsty.region)
        return [
            Change(
                Kind.MAKE,
                str(pigsty.home),
                f"put Pigsty at {pigsty.home}",
                "absent",
                origin,
                origin,
            )
        ]

    def apply(self, change: Change) -> None:
        """Unpacked beside its place and moved there whole.

        The tree brings an example as pigsty.yml; set aside, what lies there later is the user's.
        """
        home = self.site.environment.pigsty.home
        self._refuse_occupied(home)
        fresh = home.with_name(f"{home.name}.new")
        example, aside = fresh / INVENTORY, fresh / f"{INVENTORY}.example"
        archive = Path(change.action)
        try:
            self._run("rm", "-rf", str(fresh))
            self._run("mkdir", "-p", str(fresh))
            if not archive.is_absolute():
                archive = fresh / "pigsty.tgz"
                self._run(*tool.download(change.action, archive), timeout_s=FETCH_S)
            self._run(*tool.unpack(archive, fresh), timeout_s=FETCH_S)
            if self.site.admin.mode(example) is not None:
                self._run("mv", "-f", str(example), str(aside))
            self._run("rm", "-f", str(fresh / "pigsty.tgz"))
            self._run("mv", "--no-target-directory", str(fresh), str(home))
        except CommandFailed as error:
            raise StepError(
                "bootstrap",
                f"{change}: {error.reason}: {error.output.strip().splitlines()[-1:]}",
                tried=str(error.command),
                advice="give a tarball of Pigsty's tree on the admin node as pigsty.source",
            ) from None

    def _run(self, *words: str, timeout_s: float = 60) -> None:
        self.site.admin.run(Command(words, timeout_s=timeout_s))

    def _refuse_occupied(self, home: Path) -> None:
        if self.site.admin.mode(home) is not None:
            raise StepError(
                "bootstrap",
                f"{home} on {self.site.admin.name} is there and is no tree of Pigsty",
                advice="move it away, or mend pigsty.home",
            )


@dataclass(frozen=True, slots=True)
class Ansible:
    """ansible-playbook can be called."""

    site: Site
    name: str = "bootstrap"
    settle_s: float = 0

    def observe(self) -> str | None:
        return self.site.admin.which("ansible-playbook")

    def plan(self, actual: str | None) -> Sequence[Change]:
        if actual:
            return []
        packages = self.site.environment.pigsty.packages
        return [
            Change(
                Kind.MAKE,
                "Ansible",
                "install Ansible",
                "absent",
                packages or "Pigsty's repositories",
                packages,
            )
        ]

    def apply(self, change: Change) -> None:
        found = require_tree(self.site, self.name)
        packages = Path(change.action) if change.action else None
        command = found.bootstrap(self.site.environment.pigsty.region, packages)
        try:
            self.site.admin.run(command)
        except CommandFailed as error:
            said = hide(self.site, error.output.strip())
            raise StepError(
                "bootstrap",
                f"Ansible is not installed: {error.reason}",
                tried="\n".join([str(command), *said.splitlines()[-5:]]),
                advice="install the package ansible on the admin node, or give pigsty.packages",
            ) from None


def source_steps(site: Site) -> list[Step[Any]]:
    return [Source(site), Ansible(site)]
