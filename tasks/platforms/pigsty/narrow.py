"""Dify's role is let in from private networks only, where the recipe let it in from everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.platforms.pigsty.leader import require_leader
from tasks.platforms.pigsty.machines import look_on_reached
from tasks.platforms.pigsty.members import machines
from tasks.platforms.pigsty.pgsql import HBA
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import require_tree
from tasks.tools import hba

EVERYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """No pg_hba.conf of the cluster has a rule that opens it to the role from every address.

    Those of pigsty.yml were narrowed before; here the machines get what it says.
    """

    site: Site
    name: str = "pgsql"
    settle_s: float = 15.0

    def observe(self) -> list[str]:
        user = self.site.environment.postgres.user
        return [
            f"{rule} on {machine.address}"
            for machine, there in look_on_reached(machines(self.site), [HBA])
            for rule in hba.parse((there[HBA] or b"").decode(errors="replace"))
            if (rule.user, rule.network) == (user, EVERYWHERE)
        ]

    def plan(self, actual: list[str]) -> Sequence[Change]:
        what = f"narrow from where {self.site.environment.postgres.user} is let in"
        return (
            [
                Change(
                    Kind.CHANGE,
                    "who may log in",
                    what,
                    "\n".join(actual),
                    "private networks",
                    "hba",
                )
            ]
            if actual
            else []
        )

    def apply(self, change: Change) -> None:
        require_leader(self.site, self.name)
        cluster = self.site.environment.pigsty.pg_cluster
        carry_out(self.site, self, change, require_tree(self.site, self.name).pgsql_hba(cluster))


def narrow_steps(site: Site) -> list[Narrowed]:
    return [Narrowed(site)] if site.environment.pigsty.narrow_world else []
