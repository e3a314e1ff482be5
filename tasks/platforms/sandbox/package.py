"""A server program from the distribution, whose own service stays off."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command
from clients.node import Node
from config.rules.finding import Reading, bad, good
from tasks.core.packages import install
from tasks.core.step import Blocked, Change, Kind, Planned


@dataclass(frozen=True, slots=True)
class Actual:
    """Where the program is, if it is, and whether it could be installed."""

    path: str | None
    installable: bool


@dataclass(frozen=True, slots=True)
class Program:
    """The program is installed; the service that comes with it neither runs nor starts at boot.

    `name` is the step's, `service` what the package calls its own.
    """

    node: Node
    name: str
    program: str
    package: str
    service: str
    settle_s: float = 0

    def reading(self) -> Reading:
        """Whether it is here, or would be installed by a deploy."""
        actual = self.observe()
        if actual.path:
            return good(self.program, "is installed")
        if actual.installable:
            return good(self.program, f"the package {self.package} will be installed")
        return bad(self.program, self._missing(), advice=self._do())

    def observe(self) -> Actual:
        installable = os.geteuid() == 0 and self.node.which("apt-get") is not None
        return Actual(self.node.which(self.program), installable)

    def plan(self, actual: Actual) -> Sequence[Planned]:
        if actual.path:
            return []
        what = f"install {self.package}"
        if not actual.installable:
            return [Blocked(what, self._missing(), self._do())]
        return [
            Change(
                Kind.MAKE,
                f"package {self.package}",
                what,
                "absent",
                "from the distribution",
                self.package,
            )
        ]

    def apply(self, change: Change) -> None:
        install(self.node, change.action, within_s=600)
        if Path("/run/systemd/system").exists():
            self.node.run(Command(("systemctl", "disable", "--now", self.service)))
        else:
            self.node.attempt(Command(("service", self.service, "stop")))

    def _missing(self) -> str:
        return f"{self.program} is not installed, and installing it takes root and apt-get"

    def _do(self) -> str:
        return (
            f"install what brings {self.program} (Debian's package {self.package}) with this "
            "machine's package manager, then deploy again"
        )
