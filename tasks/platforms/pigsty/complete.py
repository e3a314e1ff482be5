"""A cluster that this environment made is whole: a playbook that was cut off leaves it without its
pooler, its services or its monitoring, while PostgreSQL answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.desired.inventory.groups import Group
from config.desired.inventory.parts import Part, parts, rest
from tasks.core.site import Site
from tasks.core.step import Change
from tasks.platforms.pigsty.facts import cluster
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import require_tree

KNOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Silent:
    """A part on a machine whose PostgreSQL answers, and the first of its ports that does not."""

    part: Part
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.part.name} at {self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Complete:
    """Every part that the inventory wants answers on each machine whose PostgreSQL does."""

    site: Site
    name: str = "pgsql"
    settle_s: float = 30.0

    def observe(self) -> list[Silent]:
        group = self._group()
        if group is None:
            return []
        up = [host for host in map(str, group.hosts) if self._answers(host, _server(group))]
        found = (self._silent(part, host) for part in parts(group) for host in up)
        return [silent for silent in found if silent]

    def plan(self, actual: list[Silent]) -> Sequence[Change]:
        group = self._group()
        if not actual or group is None:
            return []
        wanted = parts(group)
        lacking = [part for part in wanted if part in [silent.part for silent in actual]]
        names = ", ".join(part.name for part in lacking)
        what = f"finish PostgreSQL cluster {group.name}: {names}"
        before = "half made, no answer of " + ", ".join(map(str, actual))
        return [Change(what, before, "answers", rest(wanted, lacking))]

    def apply(self, change: Change) -> None:
        name = self.site.environment.pigsty.pg_cluster
        command = require_tree(self.site, self.name).pgsql_rest(name, change.action)
        carry_out(self.site, self, change, command)

    def _group(self) -> Group | None:
        return cluster(self.site, self.site.environment.pigsty.pg_cluster)

    def _silent(self, part: Part, host: str) -> Silent | None:
        closed = (port for port in part.ports if not self._answers(host, port))
        port = next(closed, None)
        return None if port is None else Silent(part, host, port)

    def _answers(self, host: str, port: int) -> bool:
        return not self.site.admin.knock(host, port, KNOCK_S)


def complete_steps(site: Site) -> list[Complete]:
    """Whoever names the machines of the cluster has it made; another's is not looked into."""
    return [Complete(site)] if site.environment.pigsty.pg_nodes else []


def _server(group: Group) -> int:
    return int(group.value("pg_port", 5432))
