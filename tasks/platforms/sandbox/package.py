"""A server program from the distribution, whose own service stays off."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command
from clients.node import Node
from config.errors import StepError
from tasks.core.packages import install
from tasks.core.step import Change, Kind


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

    def observe(self) -> str | None:
        return self.node.which(self.program)

    def plan(self, actual: str | None) -> Sequence[Change]:
        if actual:
            return []
        what = f"install {self.package}"
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
        if os.geteuid() != 0 or self.node.which("apt-get") is None:
            raise StepError(
                self.name,
                f"{self.program} is not installed, and installing it takes root on Debian or "
                "Ubuntu",
                advice=f"apt-get install {self.package}, then deploy again",
            )
        install(self.node, change.action, within_s=600)
        if Path("/run/systemd/system").exists():
            self.node.run(Command(("systemctl", "disable", "--now", self.service)))
        else:
            self.node.attempt(Command(("service", self.service, "stop")))
