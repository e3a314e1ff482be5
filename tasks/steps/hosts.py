"""The domain's name in the hosts file of a machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.files import File, Unwritable
from clients.node import Node
from config.desired.hosts import with_entry, without_entry
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind

HOSTS = Path("/etc/hosts")
ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts file names the domain, in our marked line or in one that was there before."""

    node: Node
    domain: str
    marker: str
    path: Path = HOSTS
    name: str = "hosts"
    settle_s: float = 0

    def observe(self) -> str:
        return (self.node.read(self.path) or b"").decode(errors="surrogateescape")

    def plan(self, actual: str) -> Sequence[Change]:
        others = without_entry(actual, self.marker)
        desired = with_entry(actual, ADDRESS, self.domain, self.marker)
        if desired == actual or _names(others, self.domain):
            return []
        old = set(actual.splitlines()) - set(others.splitlines())
        after = desired.splitlines()[-1]
        what = f"name {self.domain} in {self.path}"
        return [
            Change(Kind.CHANGE, str(self.path), what, "\n".join(old) or "absent", after, desired)
        ]

    def apply(self, change: Change) -> None:
        replace(self.node, self.path, change.action)


def _names(text: str, domain: str) -> bool:
    """Whether any line gives the domain an address: who did so has decided where it is."""
    lines = (line.split("#")[0].lower().split() for line in text.splitlines())
    return any(domain in words[1:] for words in lines)


def replace(node: Node, path: Path, text: str) -> None:
    """Write the hosts file, whose owner and mode stay."""
    content, mode = text.encode(errors="surrogateescape"), node.mode(path) or 0o644
    try:
        node.write(File(path, content, mode, keep_previous=False, foreign=True))
    except Unwritable as error:
        raise StepError(
            "hosts",
            f"{path} cannot be written: {os.strerror(error.errno or 0)}",
            advice="add the line by hand, or open Dify by its address and port",
        ) from None


def remove(site: Site, path: Path = HOSTS) -> bool:
    """Take our line out of the hosts file; whether there was one."""
    step = hosts_of(site, path)
    text = step.observe()
    kept = without_entry(text, step.marker)
    if kept == text or os.geteuid() != 0:
        return False
    replace(site.node, path, kept)
    return True


def hosts_of(site: Site, path: Path = HOSTS) -> Hosts:
    """The line of the site's domain. Only people need it: the flows reach the portal by address."""
    environment = site.environment
    return Hosts(
        site.node, environment.portal.domain, f"dify-rollout {environment.dify.project}", path
    )
