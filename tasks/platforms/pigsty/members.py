"""The machines of the environment's PostgreSQL cluster, and what the one that writes tells."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from clients.command import Completed
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty.facts import nodes_of
from tasks.platforms.pigsty.machines import Machine, text_lines
from tasks.platforms.pigsty.tree import askable
from tasks.steps.pgsql_role import DATABASES_OF
from tasks.tools import pgbackrest
from tasks.tools.pgbackrest import Stanza
from tasks.tools.wal import History, parse_history

SUPERUSER = "postgres"
BACKUP_S = 86_400
_PRIMARY = "SELECT NOT pg_is_in_recovery()"
# In one line: of several Ansible makes one.
_DATABASES = "SELECT string_agg(datname, ' ') FROM pg_database"
_LSN = "SELECT pg_current_wal_lsn()"
# A commit, then the segment that holds it goes to the archive: a target before it can be reached.
_COMMIT = "SELECT pg_current_xact_id()"
_SWITCH = "SELECT pg_walfile_name(pg_switch_wal())"
# The timeline, and those before it as NUMBER@LSN; its first one has no file that tells of others.
_HISTORY = (
    "SELECT concat_ws(' ', now, (SELECT string_agg(m[1] || '@' || m[2], ' ') FROM regexp_matches("
    "pg_read_file('pg_wal/' || now || '.history', 0, 1000000, true),"
    " '^([0-9]+)[[:space:]]+([0-9A-F/]+)', 'gn') AS m))"
    " FROM (SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS now) AS timeline"
)
_ARCHIVED = "SELECT coalesce(last_archived_wal, '') >= '{}' FROM pg_stat_archiver"


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the cluster, its PostgreSQL asked as superuser."""

    machine: Machine
    cluster: str

    def run(self, words: Sequence[str], *, timeout_s: float = 60) -> Completed:
        """How the command ended there.

        Raises:
            Unreached: the machine is not.
        """
        return self.machine.run(words, SUPERUSER, timeout_s=timeout_s)

    def ask(self, statement: str, database: str = "postgres") -> str:
        """What psql answers.

        Raises:
            StepError: PostgreSQL refuses.
        """
        words = ("psql", "-AXtq", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", database)
        done = self.run((*words, "-c", statement))
        if done.status != 0:
            said = (done.stderr or done.stdout).strip()
            raise StepError(self.machine.step, f"{self.machine.address}: psql: {said}")
        return done.stdout.strip()

    def writes(self) -> bool:
        """Whether it is no replica, and recovers nothing."""
        return self.ask(_PRIMARY) == "t"

    def lsn(self) -> str:
        return self.ask(_LSN)

    def named(self, name: str) -> str:
        """A restore point of that name is in the archive's stream; where."""
        return self.ask(f"SELECT pg_create_restore_point('{name}')")

    def history(self) -> History:
        """Which timelines made the cluster what it is now."""
        return parse_history(self.ask(_HISTORY))

    def stanza(self) -> Stanza:
        """The cluster's physical backups, or why there are none: that is no failure."""
        done = self.run(pgbackrest.info(self.cluster))
        if done.status != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            return Stanza((), f"pgbackrest: {said[-1] if said else 'it says nothing'}")
        return pgbackrest.parse_info(done.stdout, self.cluster)

    def back_up(self) -> str:
        """Take an incremental backup; why it failed, empty if it did not."""
        done = self.run(pgbackrest.INCREMENTAL, timeout_s=BACKUP_S)
        said = text_lines(done.stderr or done.stdout)
        return "" if done.status == 0 else f"pg-backup: {said[-1] if said else 'it says nothing'}"

    def archive_now(self) -> str:
        """Everything up to now is on its way into the archive; the last segment of it."""
        self.ask(_COMMIT)
        return self.ask(_SWITCH)

    def has_archived(self, segment: str) -> bool:
        return self.ask(_ARCHIVED.format(segment)) == "t"


def machines(site: Site, step: str = "pgsql") -> list[Machine]:
    """The cluster's machines, for a step; none as long as there is no tree or inventory."""
    found = askable(site)
    addresses = nodes_of(site, site.environment.pigsty.pg_cluster) if found else ()
    return [Machine(site, found, address, step) for address in addresses if found]


def members(site: Site, step: str) -> list[Member]:
    """The same machines, to ask their PostgreSQL."""
    return [Member(machine, site.environment.pigsty.pg_cluster) for machine in machines(site, step)]


def primary(site: Site) -> Member:
    """The cluster's primary, whichever of its machines do not answer.

    Raises:
        StepError: none of them is.
    """
    cluster = site.environment.pigsty.pg_cluster
    found = members(site, "backup")
    silent: list[str] = []
    for each in found:
        try:
            if len(found) == 1 or each.writes():
                return each
        except StepError as error:
            silent.append(error.cause)
    raise StepError(
        "backup",
        "; ".join([f"cluster {cluster} has no primary", *silent]),
        advice="look at `patronictl list` on its machines",
    )


def databases_of(site: Site, role: str) -> list[str]:
    """The databases a role owns or is connected to now; none where no primary answers."""
    with suppress(StepError):
        return primary(site).ask(DATABASES_OF.format(role=role)).split()
    return []


def databases_with(site: Site, tables: Mapping[str, str]) -> list[str]:
    """Of these databases, each → a table, those that have it; none where no primary answers."""
    with suppress(StepError):
        writer = primary(site)
        there = writer.ask(_DATABASES).split()
        return [
            name
            for name, table in tables.items()
            if name in there and writer.ask(f"SELECT to_regclass('public.{table}')", name)
        ]
    return []
