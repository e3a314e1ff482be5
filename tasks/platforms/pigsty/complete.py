"""A cluster that this environment made is whole: a playbook that was cut off leaves it without its
roles, its pooler, its services or its monitoring, while PostgreSQL answers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clients.postgres import Postgres, PostgresRefused, PostgresUnreachable
from config.desired.inventory.groups import Group
from config.desired.inventory.parts import INIT, ROLE, Part, parts, rest
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.platforms.pigsty.facts import cluster
from tasks.platforms.pigsty.members import primary
from tasks.platforms.pigsty.playbook import carry_out
from tasks.platforms.pigsty.tree import require_tree

KNOCK_S = 2.0
_HAS_ROLE = f"SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Lacking:
    """A part that is not there, and where it should be."""

    part: Part
    where: str

    def __str__(self) -> str:
        return f"{self.part.name} {self.where}"


@dataclass(frozen=True, slots=True)
class Complete:
    """Every part that the inventory wants is there on each machine whose PostgreSQL answers."""

    site: Site
    login: Postgres
    name: str = "pgsql"
    settle_s: float = 30.0

    def observe(self) -> list[Lacking]:
        group, up = _group(self.site), servers(self.site)
        return list(self._lacking(group, up)) if group and up else []

    def plan(self, actual: list[Lacking]) -> Sequence[Change]:
        group = _group(self.site)
        if not actual or group is None:
            return []
        wanted = parts(group)
        lacking = [part for part in wanted if part in [each.part for each in actual]]
        names = ", ".join(part.name for part in lacking)
        what = f"finish PostgreSQL cluster {group.name}: {names}"
        before = "half made, without " + ", ".join(map(str, actual))
        return [
            Change(
                Kind.CHANGE, f"cluster {group.name}", what, before, "answers", rest(wanted, lacking)
            )
        ]

    def apply(self, change: Change) -> None:
        name = self.site.environment.pigsty.pg_cluster
        command = require_tree(self.site, self.name).pgsql_rest(name, change.action)
        carry_out(self.site, self, change, command)

    def _lacking(self, group: Group, up: Sequence[str]) -> Iterator[Lacking]:
        for part in parts(group):
            if part is INIT:
                if not self._has_roles():
                    yield Lacking(part, f"in {group.name}")
                continue
            for host in up:
                closed = (port for port in part.ports if not _answers(self.site, host, port))
                if (port := next(closed, None)) is not None:
                    yield Lacking(part, f"at {host}:{port}")

    def _has_roles(self) -> bool:
        """As Dify's role says; where it is not let in yet, as the server's superuser does."""
        try:
            with self.login.connect() as connection:
                return connection.execute(_HAS_ROLE.encode()).fetchone() == (1,)
        except PostgresRefused:
            return self._server_has_roles()
        except PostgresUnreachable:
            # Where something listens, the part before this one says what is wrong.
            return not lacks_way(self.site, self.login) or self._server_has_roles()

    def _server_has_roles(self) -> bool:
        return primary(self.site).ask(_HAS_ROLE) == "1"


def complete_steps(site: Site, login: Postgres) -> list[Complete]:
    """Whoever names the machines of the cluster has it made; another's is not looked into."""
    return [Complete(site, login)] if site.environment.pigsty.pg_nodes else []


def servers(site: Site) -> list[str]:
    """Machines of the cluster that this environment makes whose PostgreSQL takes connections."""
    group = _group(site) if site.environment.pigsty.pg_nodes else None
    if group is None:
        return []
    return [host for host in map(str, group.hosts) if _answers(site, host, _server(group))]


def lacks_way(site: Site, login: Postgres) -> bool:
    """Whether that cluster's servers run, and nothing listens where they are to be reached.

    HAProxy and pgbouncer are the last that a playbook makes.
    """
    return bool(servers(site)) and not _answers(site, login.host, login.port)


def _group(site: Site) -> Group | None:
    return cluster(site, site.environment.pigsty.pg_cluster)


def _answers(site: Site, host: str, port: int) -> bool:
    return not site.admin.knock(host, port, KNOCK_S)


def _server(group: Group) -> int:
    return int(group.value("pg_port", 5432))
