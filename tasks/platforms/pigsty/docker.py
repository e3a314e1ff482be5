"""Docker Engine on Dify's nodes, installed by Pigsty.

docker.yml replaces daemon.json and restarts the engine with everything that runs in it, so it
runs only where no engine answers or the engine lacks what the environment asks for.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.command import Command
from clients.files import File
from config.errors import StepError
from tasks.core.engine import startable
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.pigsty.facts import desired, named
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.secrets import hide
from tasks.platforms.pigsty.tree import inventory, require_tree

DAEMON = Path("/etc/docker/daemon.json")
PRIVATE = 0o600
SETTLE_S = 60.0
_CREDENTIALS = re.compile(r"://[^\s/:@\"]+:[^\s/@\"]+@")
_OF_PIGSTY = "metrics-addr"  # its template always sets it, hardly anybody else does


@dataclass(frozen=True, slots=True)
class Actual:
    """Why the engine cannot be used (None: it can), and its daemon.json."""

    trouble: str | None
    settings: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine answers, with the proxy and mirrors the environment asks for."""

    site: Site
    name: str = "docker"
    settle_s: float = SETTLE_S

    def observe(self) -> Actual:
        text = self.site.node.read(DAEMON)
        try:
            settings: dict[str, Any] = json.loads(text) if text else {}
        except ValueError:
            settings = {}
        return Actual(startable(self.site), settings)

    def plan(self, actual: Actual) -> Sequence[Change]:
        if actual.trouble is not None:
            return [
                Change(
                    Kind.MAKE,
                    "Docker Engine",
                    "install Docker Engine",
                    actual.trouble,
                    "answers",
                    actual,
                )
            ]
        lacking = self._lacking(actual.settings)
        if not lacking:
            return []
        after = hide(self.site, "\n".join(lacking))
        what = "set proxy and mirrors of Docker Engine and restart it"
        return [
            Change(
                Kind.CHANGE,
                "proxy and mirrors of Docker Engine",
                what,
                "without them",
                after,
                actual,
            )
        ]

    def apply(self, change: Change) -> None:
        settings: dict[str, Any] = change.action.settings
        if settings and _OF_PIGSTY not in settings:
            raise StepError(
                "docker",
                f"{DAEMON} on {self.site.node.name} was not written by Pigsty, whose playbook "
                "would replace it, its data directory included",
                advice="start the engine, or put proxy and mirrors into the file, by hand; or "
                "move it away",
            )
        if _CREDENTIALS.search(inventory(self.site) or ""):
            self._close()
        hosts = [named(self.site, host) for host in desired(self.site).docker_hosts]
        carry_out(
            self.site, self, change, require_tree(self.site, self.name).docker(hosts),
            advice="the package may be missing: docker.yml goes on without it; see the log above",
        )  # fmt: skip

    def _close(self) -> None:
        """Before the password is in it: the playbook leaves the mode of a file that is there."""
        node = self.site.node
        if node.mode(DAEMON) is None:
            node.write(File(DAEMON, b"{}\n", PRIVATE, keep_previous=False))
        else:
            node.run(Command(("chmod", f"{PRIVATE:o}", str(DAEMON)), user="root"))

    def _lacking(self, settings: dict[str, Any]) -> list[str]:
        proxy = self.site.environment.docker.proxy
        proxies: dict[str, str] = settings.get("proxies") or {}
        if not proxy or proxy in proxies.values():
            return []
        return [f"proxy {_CREDENTIALS.sub('://***@', proxy)}"]


@dataclass(frozen=True, slots=True)
class Private:
    """Nobody but root reads the proxy's password in daemon.json."""

    site: Site
    name: str = "docker"
    settle_s: float = 0

    def observe(self) -> int | None:
        """The file's mode, None where it holds no password."""
        entry = self.site.node.look([DAEMON])[DAEMON]
        text = (entry.content or b"").decode(errors="replace") if entry else ""
        return entry.mode if entry and _CREDENTIALS.search(text) else None

    def plan(self, actual: int | None) -> Sequence[Change]:
        if actual is None or not actual & 0o077:
            return []
        return [
            Change(
                Kind.CHANGE,
                f"mode of {DAEMON}",
                f"close {DAEMON} to others",
                f"mode {actual:04o}",
                f"mode {PRIVATE:04o}",
            )
        ]

    def apply(self, change: Change) -> None:
        self.site.node.run(Command(("chmod", f"{PRIVATE:o}", str(DAEMON)), user="root"))


def engine_steps(site: Site) -> list[Step[Any]]:
    return [Engine(site), Private(site)]
