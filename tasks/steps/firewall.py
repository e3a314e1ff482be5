"""Programs of plugins reach of their machine the state, and no other port."""

import logging
from dataclasses import dataclass
from pathlib import Path

from config.desired import firewall
from config.rules.finding import Reading, good
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.tools import iptables

log = logging.getLogger("rollout")

SYSTEMD = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Actual:
    """The rules of our chain, and what leads to it."""

    rules: list[str]
    jumps: list[str]


@dataclass(frozen=True, slots=True)
class Firewall:
    """Rules in a chain of the environment's own in the packet filter; only root writes them."""

    site: Site
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> Actual | None:
        """None where we may not."""
        node, chain = self.site.node, firewall.chain(self.site.environment)
        if not node.is_root() or node.which(iptables.PROGRAM) is None:
            return None
        done = node.attempt(iptables.listed())  # root of a container may not
        if done.status != 0:
            return None
        return Actual(iptables.rules_of(done.stdout, chain), iptables.jumps_to(done.stdout, chain))

    def plan(self, actual: Actual | None) -> list[Change]:
        jumps = self._jumps()
        if actual is None or (not jumps and not actual.jumps):
            return []
        wanted = firewall.rules(self.site.environment) if jumps else []
        if sorted(actual.jumps) == sorted(jumps) and (actual.rules == wanted or not jumps):
            return []
        names = ", ".join(firewall.addresses(self.site.environment, self.site.release))
        what = f"close this machine's other ports for {names}" if jumps else "remove old rules"
        before = f"{len(actual.rules)} rules, {len(actual.jumps)} lead there"
        return [
            Change(
                Kind.CHANGE,
                "packet filter",
                what,
                before,
                f"{len(wanted)} rules, {len(jumps)} lead there",
                actual,
            )
        ]

    def apply(self, change: Change) -> None:
        actual: Actual = change.action
        chain, jumps = firewall.chain(self.site.environment), self._jumps()
        if jumps:
            rules = firewall.rules(self.site.environment)
            self.site.node.run(iptables.replace(chain, rules, old=actual.jumps, new=jumps))
            for found in forgotten(self.site):
                log.warning("%s: %s", self.name, found.said)
        else:
            self.site.node.run(iptables.remove(chain, jumps=actual.jumps))

    def _jumps(self) -> list[str]:
        return firewall.jumps(self.site.environment, self.site.release)


def remove_rules(site: Site) -> None:
    """The environment's chain is gone from the node's packet filter."""
    actual = Firewall(site).observe()
    if actual is not None and (actual.rules or actual.jumps):
        chain = firewall.chain(site.environment)
        site.node.run(iptables.remove(chain, jumps=actual.jumps))


def starts_units(site: Site) -> bool:
    """Whether systemd starts the machine."""
    return site.node.look([SYSTEMD])[SYSTEMD] is not None


def forgotten(site: Site) -> list[Reading]:
    """A reading that the rules do not outlive a restart of the machine; none where they do."""
    names = ", ".join(firewall.addresses(site.environment, site.release))
    if not names or starts_units(site):
        return []
    detail = (
        f"{site.node.name} has no systemd: after a restart of it {names} reaches every port of it "
        "until the next deploy"
    )
    return [good("firewall", detail)]


def openness(site: Site) -> list[Reading]:
    """Says what stays open where we may write no rules, or nothing writes them again."""
    names = ", ".join(firewall.addresses(site.environment, site.release))
    if not names:
        return []
    if Firewall(site).observe() is not None:
        return forgotten(site)
    detail = f"{names} may ask every port of {site.node.name}: rules take root and iptables"
    return [good("firewall", detail)]
