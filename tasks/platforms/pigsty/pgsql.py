"""Dify's role and databases in a PostgreSQL cluster of Pigsty's.

Everything is asked as Dify's own role by SQL; where it is not let in, the server's refusal says
what to make: the rule, the role or the database. Of the nodes only two files matter.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from clients.postgres import DatabaseMissing, Postgres, PostgresRefused, PostgresUnreachable
from config.errors import StepError
from config.rules.restore_point import DRILL
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.platforms.pigsty.complete import complete_steps, lacks_way
from tasks.platforms.pigsty.facts import desired, primary_of
from tasks.platforms.pigsty.leader import lacks_leader, leaderless, require_leader
from tasks.platforms.pigsty.machines import Unreached, look_on, look_on_reached
from tasks.platforms.pigsty.members import machines, members
from tasks.platforms.pigsty.playbook import RESUME, carry_out
from tasks.platforms.pigsty.tree import require_tree
from tasks.tools import hba

DATA = Path("/pg/data/PG_VERSION")
HBA = Path("/pg/data/pg_hba.conf")
SETTLE_S = 15.0
NO_RULE = "pg_hba.conf"
NO_SERVER = "absent: no server answers"
_DATABASE = """
SELECT pg_get_userbyid(datdba),
       coalesce((SELECT has_schema_privilege(oid, 'CREATE')
                   FROM pg_namespace WHERE nspname = 'public'), false)
  FROM pg_database WHERE datname = current_database()
"""
POWERS = {
    "rolsuper": "SUPERUSER",
    "rolcreatedb": "CREATEDB",
    "rolcreaterole": "CREATEROLE",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """Why nobody answers as PostgreSQL (empty: somebody does), where nothing of it exists."""

    trouble: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster answers. It is made only where nothing of it exists.

    Pigsty's playbook over a cluster that is there restarts it, and an old one purges it first.
    """

    site: Site
    login: Postgres
    name: str = "pgsql"
    settle_s: float = 60.0

    def observe(self) -> ClusterSeen:
        try:
            with self.login.connect():
                return ClusterSeen("")
        except PostgresRefused:
            return ClusterSeen("")
        except PostgresUnreachable as error:
            if lacks_way(self.site, self.login):
                return ClusterSeen("")
            require_absent(self.site, error)
            return ClusterSeen(str(error))

    def plan(self, actual: ClusterSeen) -> Sequence[Change]:
        if not actual.trouble:
            return []
        pigsty = self.site.environment.pigsty
        what = f"make PostgreSQL cluster {pigsty.pg_cluster}"
        where = ", ".join(pigsty.pg_nodes) or "its nodes in pigsty.yml"
        kind = f"PostgreSQL {pigsty.pg_version}" if pigsty.pg_version else "made"
        target = f"cluster {pigsty.pg_cluster}"
        return [Change(Kind.MAKE, target, what, "absent", f"{kind} on {where}", actual)]

    def apply(self, change: Change) -> None:
        cluster = self.site.environment.pigsty.pg_cluster
        command = require_tree(self.site, self.name).pgsql_add(cluster)
        carry_out(self.site, self, change, command)


@dataclass(frozen=True, slots=True)
class FilesSeen:
    """Rules that a node's pg_hba.conf lacks, why the server refuses for want of one, and nodes
    with the password in a file."""

    lacking: tuple[str, ...] = ()
    refused: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """The nodes' pg_hba.conf lets Dify's role in, and nothing tells its password."""

    site: Site
    login: Postgres
    name: str = "pgsql"
    settle_s: float = SETTLE_S

    def observe(self) -> FilesSeen:
        """A cluster still to come lacks every rule; a machine that is off hinders nobody."""
        wanted = hba.wanted(desired(self.site).hba_rules)
        known = machines(self.site)
        lacking: list[str] = [] if known else [str(rule) for rule in wanted]
        left: list[str] = []
        for machine, there in look_on_reached(known, files(self.site)):
            rules = hba.parse((there[HBA] or b"").decode(errors="replace"))
            lacking += [f"{rule} on {machine.address}" for rule in wanted if rule not in rules]
            left += [machine.address] if there[self._password] is not None else []
        return FilesSeen(tuple(lacking), self._refused(), tuple(left))

    def plan(self, actual: FilesSeen) -> Sequence[Change]:
        files = [(f"{self._password} on {address}", address) for address in actual.left]
        changes = [
            Change(Kind.REMOVE, file, f"remove {file}", "password in clear", "", address)
            for file, address in files
        ]
        if actual.lacking or actual.refused:
            what = f"admit {self.login.user} in pg_hba.conf"
            before, after = actual.refused or "absent", "\n".join(actual.lacking) or "admitted"
            changes.append(Change(Kind.CHANGE, "pg_hba.conf", what, before, after, HBA))
        return changes

    def apply(self, change: Change) -> None:
        if change.action != HBA:
            forget_password(self.site, self.login.user)
            return
        require_leader(self.site, self.name)
        cluster = self.site.environment.pigsty.pg_cluster
        carry_out(self.site, self, change, require_tree(self.site, self.name).pgsql_hba(cluster))

    @property
    def _password(self) -> Path:
        return password_file(self.login.user)

    def _refused(self) -> str:
        try:
            with self.login.connect():
                return ""
        except PostgresRefused as error:
            return str(error) if NO_RULE in str(error) else ""
        except PostgresUnreachable:
            return ""


@dataclass(frozen=True, slots=True)
class RoleSeen:
    """Why the role is not let in (empty: it is), and what it may do that it should not."""

    refused: str = ""
    powers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """The role logs in with its password."""

    site: Site
    login: Postgres
    name: str = "pgsql"
    settle_s: float = SETTLE_S

    def observe(self) -> RoleSeen:
        try:
            with self.login.connect() as connection:
                columns = ", ".join(POWERS)
                query = f"SELECT {columns} FROM pg_roles WHERE rolname = current_user"  # noqa: S608
                row = connection.execute(query.encode()).fetchone() or ()
        except DatabaseMissing:
            return RoleSeen()
        except PostgresRefused as error:
            return RoleSeen(str(error))
        except PostgresUnreachable as error:
            require_to_be_made(self.site, self.login, error)
            return RoleSeen(NO_SERVER)
        held = tuple(w for w, is_set in zip(POWERS.values(), row, strict=True) if is_set)
        return RoleSeen(powers=held)

    def plan(self, actual: RoleSeen) -> Sequence[Planned]:
        role = self.login.user
        if actual.refused:
            what = f"make role {role} and set its password"
            after = "logs in, password ***"
            return [Change(Kind.MAKE, f"role {role}", what, actual.refused, after, "user")]
        if actual.powers:
            without = " ".join(f"NO{word}" for word in actual.powers)
            what = f"take {', '.join(actual.powers)} from role {role}"
            return [
                Blocked(
                    what,
                    f"{what}: pgsql-user leaves an existing role what it has",
                    f'as administrator: ALTER ROLE "{role}" {without};',
                )
            ]
        return []

    def apply(self, change: Change) -> None:
        run_pgsql_user(self.site, self, change, self.login.user)


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """Whether it is there, whose it is, its extensions, and whether the role may make tables.

    `trouble`: why it cannot be asked.
    """

    exists: bool
    owner: str = ""
    extensions: frozenset[str] = field(default_factory=frozenset[str])
    creates: bool = True
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Lacking:
    """Extensions that a database which is there lacks."""

    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
    """The database belongs to the role, which may make tables in it, and has its extensions."""

    site: Site
    login: Postgres
    extensions: tuple[str, ...]
    name: str = "pgsql"
    settle_s: float = SETTLE_S

    def observe(self) -> DatabaseSeen:
        try:
            with self.login.connect() as connection:
                owner, creates = connection.execute(_DATABASE).fetchone() or ("", False)
                found = connection.execute("SELECT extname FROM pg_extension")
                extensions = frozenset(name for (name,) in found)
                return DatabaseSeen(True, owner, extensions, creates)
        except DatabaseMissing:
            return DatabaseSeen(False)
        except PostgresRefused as error:
            return DatabaseSeen(False, trouble=str(error))
        except PostgresUnreachable as error:
            require_to_be_made(self.site, self.login, error)
            return DatabaseSeen(False, trouble=NO_SERVER)

    def plan(self, actual: DatabaseSeen) -> Sequence[Change]:
        name, owner = self.login.database, self.login.user
        if not actual.exists:
            before, extensions = actual.trouble or "absent", ", ".join(self.extensions)
            after = f"owner {owner}, extensions {extensions}" if extensions else f"owner {owner}"
            what, target = f"make database {name}", f"database {name}"
            return [Change(Kind.MAKE, target, what, before, after, Lacking())]
        if actual.owner != owner:
            what, target = f"give database {name} to {owner}", f"owner of database {name}"
            return [Change(Kind.CHANGE, target, what, actual.owner, owner, Lacking())]
        missing = [extension for extension in self.extensions if extension not in actual.extensions]
        if missing:
            target = f"extensions of database {name}"
            what = f"add extension {', '.join(missing)} to {name}"
            return [Change(Kind.MAKE, target, what, "absent", "", Lacking(tuple(missing)))]
        if actual.creates:
            return []
        what, target = f"let {owner} create in schema public of {name}", f"schema public of {name}"
        return [Change(Kind.CHANGE, target, what, "it may not", "it may", "user")]

    def apply(self, change: Change) -> None:
        if change.action == "user":
            advice = (
                "pgsql-user says nothing of a grant that fails; as administrator, in "
                f'{self.login.database}: GRANT CREATE ON SCHEMA public TO "{self.login.user}";'
            )
            run_pgsql_user(self.site, self, change, self.login.user, advice=advice)
            return
        require_primary(self.site)
        cluster = self.site.environment.pigsty.pg_cluster
        command = require_tree(self.site, self.name).pgsql_db(cluster, self.login.database)
        carry_out(self.site, self, change, command, advice=self._advice(change))

    def _advice(self, change: Change) -> str:
        lacking: Lacking = change.action
        if not lacking.extensions:
            return f"pgsql-db says `complete` all the same; is role {self.login.user} there?"
        package = (
            "pgvector, in pg_extensions" if "vector" in lacking.extensions else "of the extension"
        )
        cluster = self.site.environment.pigsty.pg_cluster
        return (
            f"pgsql-db says `complete` all the same; install the package ({package}) with "
            f"`./pgsql.yml -l {cluster} -t pg_ext`, then deploy again"
        )


def pgsql_steps(site: Site, main: Postgres, plugin: Postgres) -> list[Step[Any]]:
    """The cluster, then what is Dify's in it."""
    needs = site.release.postgres
    steps: list[Step[Any]] = [
        Cluster(site, main),
        *complete_steps(site, main),
        Files(site, main),
        Role(site, main),
    ]
    logins = [(main, needs.extensions), (plugin, needs.plugin_extensions)]
    drilled = (DRILL,) if site.environment.backup.repository else ()
    for suffix in ("", *drilled):
        steps += [
            Database(site, replace(login, database=login.database + suffix), tuple(extensions))
            for login, extensions in logins
        ]
    return steps


def require_to_be_made(site: Site, login: Postgres, error: PostgresUnreachable) -> None:
    """The cluster, or what leads to it, is made by a part before this one. Raises as the next."""
    if not lacks_way(site, login):
        require_absent(site, error)


def require_absent(site: Site, error: PostgresUnreachable) -> None:
    """A cluster that does not answer is not there: no node has a data directory.

    A tree or inventory that is still to come knows of no node.

    Raises:
        PostgresUnreachable: one has, so what the cluster holds is not known.
        StepError: the same, and no waiting brings the server back.
    """
    nodes = machines(site)
    found = zip(nodes, look_on(nodes, [DATA]), strict=True)
    if occupied := [machine.address for machine, there in found if there[DATA]]:
        cluster, missing = site.environment.pigsty.pg_cluster, leaderless(site)
        if missing and not missing.transient:
            raise lacks_leader(site, "pgsql", missing)
        why = missing.why if missing else str(error)
        raise PostgresUnreachable(
            f"cluster {cluster} exists on {', '.join(occupied)} and does not answer: {why}; look "
            "at `patronictl list` there and start it, or mend postgres.host and postgres.port"
        ) from None


def run_pgsql_user(
    site: Site, step: Step[Any], change: Change, user: str, *, advice: str = RESUME
) -> None:
    """Password and grants of the role as pigsty.yml has them, and no file left that tells them."""
    require_primary(site)
    cluster = site.environment.pigsty.pg_cluster
    command = require_tree(site, step.name).pgsql_user(cluster, user)
    forget = partial(forget_password, site, user)
    carry_out(site, step, change, command, then=forget, advice=advice)


def require_primary(site: Site) -> None:
    """Pigsty makes roles and databases where pigsty.yml says the primary is, which has to be so.

    Raises:
        StepError: no machine takes writes now, or that machine is a replica since a failover; its
            playbooks would do nothing there and end well.
    """
    require_leader(site, "pgsql")
    cluster = site.environment.pigsty.pg_cluster
    said = primary_of(site, cluster)
    known = members(site, "pgsql")
    at = next((member for member in known if member.machine.address == said), None)
    if at and len(known) > 1 and not at.writes():
        raise StepError(
            "pgsql",
            f"{said} is the primary of {cluster} in pigsty.yml and a replica by now: Pigsty makes "
            "roles and databases there only",
            advice="after a failover, set pg_role in pigsty.yml as `patronictl list` has it (or "
            f"`patronictl switchover {cluster}` back); then deploy again",
        )


def forget_password(site: Site, user: str) -> None:
    """The file that pgsql-user leaves on the nodes, with the password in clear, is gone.

    From a node that is off it is removed when it is back: every deploy looks.
    """
    for machine in machines(site):
        with suppress(Unreached):
            machine.remove(password_file(user))


def files(site: Site) -> tuple[Path, Path]:
    """What matters of each node: its rules, and the file that should not be."""
    return HBA, password_file(site.environment.postgres.user)


def password_file(user: str) -> Path:
    return Path(f"/pg/tmp/pg-user-{user}.sql")
