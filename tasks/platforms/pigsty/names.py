"""The domain's name: a record of Pigsty's dnsmasq, or a line of the hosts files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.pigsty.facts import desired
from tasks.platforms.pigsty.machines import Machine
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import askable, require_tree

# Where the versions keep the records; dnsmasq reads the folder.
RECORDS = (Path("/etc/dnsmasq.d/pigsty/default"), Path("/etc/hosts.d/default"),
           Path("/infra/hosts/default"))  # fmt: skip
HOSTS = Path("/etc/hosts")


@dataclass(frozen=True, slots=True)
class Name:
    """A file of the portal's machine gives the domain an address."""

    site: Site
    name: str = "hosts"
    settle_s: float = 0

    def observe(self) -> bool:
        found = askable(self.site)
        if found is None:
            return False
        machine = Machine(self.site, found, self.site.environment.pigsty.admin_ip, self.name)
        return any(map(self._names, machine.look(files(self.site)).values()))

    def plan(self, actual: bool) -> Sequence[Change]:
        if actual:
            return []
        domain, record = desired(self.site).domain, desired(self.site).domain_record
        where = "Pigsty's DNS" if record == "dnsmasq" else "the hosts files"
        address = self.site.environment.pigsty.admin_ip
        return [
            Change(
                Kind.MAKE,
                f"{domain} in {where}",
                f"name {domain} in {where}",
                "absent",
                f"{address} {domain}",
                record,
            )
        ]

    def apply(self, change: Change) -> None:
        found = require_tree(self.site, self.name)
        command = found.dns() if change.action == "dnsmasq" else found.hosts()
        carry_out(self.site, self, change, command)

    def _names(self, text: bytes | None) -> bool:
        lines = (line.split("#")[0].split() for line in (text or b"").decode().splitlines())
        return any(self.site.environment.portal.domain in words[1:] for words in lines)


def files(site: Site) -> Sequence[Path]:
    """Where the name would be, on the portal's machine."""
    return RECORDS if desired(site).domain_record == "dnsmasq" else (HOSTS,)


def name_steps(site: Site) -> list[Step[Any]]:
    return [] if desired(site).domain_record == "none" else [Name(site)]
