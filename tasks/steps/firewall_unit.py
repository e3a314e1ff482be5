"""The rules of the packet filter outlive a restart of the machine, where systemd starts it."""

from dataclasses import dataclass
from pathlib import Path

from clients.command import Command
from clients.files import File
from config.desired import firewall
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps.firewall import Firewall, starts_units
from tasks.tools import iptables

UNITS = Path("/etc/systemd/system")


@dataclass(frozen=True, slots=True)
class Actual:
    """`program` writes the rules; `text` is the unit's, `enabled` what systemd starts."""

    program: str
    text: str
    enabled: str


@dataclass(frozen=True, slots=True)
class RulesAtStart:
    """A unit of systemd writes the rules when the machine starts, before Docker Engine does."""

    site: Site
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> Actual | None:
        """None where no unit can write them."""
        if Firewall(self.site).observe() is None or not starts_units(self.site):
            return None
        path = self.site.node.which(iptables.PROGRAM) or iptables.PROGRAM
        found = self.site.node.look([self._unit, self._link])
        texts = [(e.content or b"").decode(errors="replace") if e else "" for e in found.values()]
        return Actual(path, *texts)

    def plan(self, actual: Actual | None) -> list[Change]:
        if actual is None:
            return []
        wanted = firewall.unit(self.site.environment, self.site.release, actual.program)
        if actual.text == actual.enabled == wanted:
            return []
        what = f"{'keep' if wanted else 'forget'} the rules when the machine starts"
        before = "absent" if not actual.text else "not enabled" if not actual.enabled else "another"
        return [
            Change(
                Kind.CHANGE,
                str(self._unit),
                what,
                before,
                str(self._unit) if wanted else "absent",
                wanted,
            )
        ]

    def apply(self, change: Change) -> None:
        node = self.site.node
        if not change.action:
            remove_unit(self.site)
            return
        node.write(File(self._unit, change.action.encode(), 0o644, keep_previous=False))
        node.run(_systemctl("daemon-reload"))
        node.run(_systemctl("enable", self._unit.name))

    @property
    def _unit(self) -> Path:
        return UNITS / firewall.unit_name(self.site.environment)

    @property
    def _link(self) -> Path:
        return UNITS / "multi-user.target.wants" / self._unit.name


def remove_unit(site: Site) -> None:
    """The machine starts without the environment's rules."""
    unit = UNITS / firewall.unit_name(site.environment)
    if site.node.mode(unit) is None or not site.node.is_root():
        return
    site.node.run(_systemctl("disable", unit.name))
    site.node.run(Command(("rm", "-f", str(unit))))
    site.node.run(_systemctl("daemon-reload"))


def _systemctl(*words: str) -> Command:
    return Command(("systemctl", *words), timeout_s=60)
