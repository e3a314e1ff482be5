"""PostgreSQL as Dify needs it: server, role, databases, extensions.

Where there is an administrator all of it is made; else it is only checked, and what is missing is
said as the SQL that the server's administrator has to run.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import sql
from pydantic import SecretStr

from clients.postgres import (
    Connection,
    DatabaseMissing,
    Postgres,
    PostgresRefused,
    PostgresUnreachable,
)
from config.errors import StepError
from tasks.core.authorities import postgres_authority
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.steps.pgsql_limits import Workable
from tasks.steps.pgsql_place import Suitable
from tasks.steps.pgsql_role import Role

CONNECT_WITHIN_S = 10.0


def admin(site: Site, database: str = "postgres") -> AbstractContextManager[Connection]:
    """A connection as the platform's database administrator; see `Platform.administrator`."""
    return site.platform.administrator(site, database)


def dify_database(site: Site, *, plugin: bool = False) -> Postgres:
    """Dify's main database, or the plugin daemon's, as Dify's role reaches it from the node."""
    postgres = site.environment.postgres
    database = postgres.plugin_database if plugin else postgres.database
    return login(site, postgres.user, site.secrets["postgres_password"], database)


def login(site: Site, user: str, password: SecretStr, database: str) -> Postgres:
    """PostgreSQL as this role reaches it from the node."""
    postgres, host = site.environment.postgres, site.platform.postgres_host(site.environment)
    mode, authority = postgres.sslmode, postgres_authority(site)
    return Postgres(host, postgres.port, user, password, database, site.node, mode, authority)


# Since PostgreSQL 15 each database knows for which version of the collations it was made.
_COLLATIONS_SINCE = 150_000
_COLLATIONS = (
    "SELECT datcollversion, pg_catalog.pg_database_collation_actual_version(oid)"
    " FROM pg_catalog.pg_database WHERE datname = 'template1'"
)
_REFRESH = (
    "as a superuser of the server (of a managed one: ask its support), in template1: "
    "REINDEX DATABASE template1; ALTER DATABASE template1 REFRESH COLLATION VERSION;"
)


@dataclass(frozen=True, slots=True)
class DatabaseActual:
    """Who owns the database (None: absent), whether everybody may use it, its extensions.

    `stale`: the collation version for which template1 was made, where it is no longer that of
    the machine; PostgreSQL then copies it no more.
    """

    owner: str | None = None
    public: bool = False
    extensions: frozenset[str] = field(default_factory=frozenset[str])
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is executed as administrator, connected to this database."""

    sql: sql.Composed
    database: str = "postgres"


@dataclass(frozen=True, slots=True)
class Database:
    """The database belongs to the role, has its extensions and admits nobody else."""

    site: Site
    database: str
    owner: str
    extensions: tuple[str, ...]
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> DatabaseActual:
        query = (
            "SELECT pg_catalog.pg_get_userbyid(datdba),"
            " EXISTS (SELECT FROM pg_catalog.aclexplode("
            "   coalesce(datacl, pg_catalog.acldefault('d', datdba))) WHERE grantee = 0)"
            " FROM pg_catalog.pg_database WHERE datname = %s"
        )
        if self.site.platform.postgres_absent(self.site):
            return DatabaseActual()
        with admin(self.site) as connection:
            row = connection.execute(query, [self.database]).fetchone()
            if row is None:
                return DatabaseActual(stale=_stale_template(connection))
        with admin(self.site, self.database) as connection:
            found = connection.execute("SELECT extname FROM pg_catalog.pg_extension")
            return DatabaseActual(row[0], row[1], frozenset(name for (name,) in found))

    def plan(self, actual: DatabaseActual) -> Sequence[Planned]:
        if actual.stale:
            return [Blocked(f"create database {self.database}", actual.stale, _REFRESH)]
        missing = [name for name in self.extensions if name not in actual.extensions]
        return [
            *self._owned(actual.owner),
            *([self._close()] if actual.owner is None or actual.public else []),
            *map(self._add, missing),
        ]

    def _owned(self, now: str | None) -> list[Change]:
        database, owner = sql.Identifier(self.database), sql.Identifier(self.owner)
        if now is None:
            create = sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner)
            what, target = f"create database {self.database}", f"database {self.database}"
            after = f"owner {self.owner}"
            return [Change(Kind.MAKE, target, what, "absent", after, Statement(create))]
        if now == self.owner:
            return []
        alter = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner)
        target = f"owner of database {self.database}"
        return [Change(Kind.CHANGE, target, f"change {target}", now, self.owner, Statement(alter))]

    def _close(self) -> Change:
        revoke = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC")
        return Change(
            Kind.CHANGE,
            f"access to database {self.database}",
            f"close database {self.database} to other roles",
            "open to every role",
            f"only {self.owner}",
            Statement(revoke.format(sql.Identifier(self.database))),
        )

    def apply(self, change: Change) -> None:
        where: Statement = change.action
        with admin(self.site, where.database) as connection:
            connection.execute(where.sql)

    def _add(self, extension: str) -> Change:
        create = sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension))
        return Change(
            Kind.MAKE,
            f"extension {extension} of {self.database}",
            f"add extension {extension} to {self.database}",
            "absent",
            "",
            Statement(create, self.database),
        )


@dataclass(frozen=True, slots=True)
class PostgresRequirements:
    """Dify's role finds a server and databases that its release can work with.

    Everything here is the administrator's to change. `pending`:
    how a server answers for which the parts before this one have still to make what Dify needs;
    what is missing is theirs to say then.
    """

    site: Site
    pending: tuple[type[Exception], ...] = ()
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> list[StepError]:
        release = self.site.release.postgres
        databases = [(False, release.extensions), (True, release.plugin_extensions)]
        found: list[StepError] = []
        late = PostgresUnreachable in self.pending
        within_s = 0 if late else self.site.within(CONNECT_WITHIN_S)
        for plugin, extensions in databases:
            login = dify_database(self.site, plugin=plugin)
            try:
                with login.connect(within_s) as connection:
                    found += self._of_server(connection) if not plugin else []
                    if plugin and "plugin_daemon" in self.site.release.services:
                        found += _without_tls(connection, login)
                    if not self.pending:
                        found += _of_database(connection, login, extensions)
            except (PostgresRefused, PostgresUnreachable) as error:
                if isinstance(error, self.pending):
                    break
                found.append(self._no_entry(error, login))
                if not isinstance(error, DatabaseMissing):
                    break
        return found

    def plan(self, actual: list[StepError]) -> Sequence[Planned]:
        return [
            Blocked("use PostgreSQL", error.cause, error.advice, passes=error.passes)
            for error in actual
        ]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""

    def _of_server(self, connection: Connection) -> list[StepError]:
        needs = self.site.release.postgres
        postgres = self.site.environment.postgres
        major = connection.info.server_version // 10_000
        found: list[StepError] = []
        if not needs.takes(major):
            found.append(unfit(self.site, major))
        rows = connection.execute("SHOW max_connections").fetchone()
        if rows and int(rows[0]) < postgres.max_connections:
            cause = f"max_connections is {rows[0]}, postgres.max_connections asks for more"
            ask = f"ALTER SYSTEM SET max_connections = {postgres.max_connections};"
            advice = f"as administrator: {ask} then restart the server"
            found.append(StepError("pgsql", cause, advice=advice))
        query = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        rows = connection.execute(query).fetchone()
        if rows and rows[0]:
            ask = f'ALTER ROLE "{postgres.user}" NOSUPERUSER;'
            cause = f"role {postgres.user} is a superuser; Dify must not be one"
            found.append(StepError("pgsql", cause, advice=f"as administrator: {ask}"))
        return found

    def _no_entry(self, error: PostgresRefused | PostgresUnreachable, login: Postgres) -> StepError:
        postgres = self.site.environment.postgres
        if isinstance(error, DatabaseMissing):
            ask = f'CREATE DATABASE "{login.database}" OWNER "{login.user}";'
            advice = f"as administrator: {ask}"
        elif isinstance(error, PostgresUnreachable):
            advice = "start it, or mend postgres.host and postgres.port in the environment's file"
        else:
            advice = (
                f'as administrator: CREATE ROLE "{postgres.user}" LOGIN; set its password to the '
                f"secret postgres_password (rollout secrets {self.site.name} postgres_password), "
                "and admit this machine and the containers in pg_hba.conf"
            )
        passes = isinstance(error, PostgresUnreachable)
        return StepError("pgsql", str(error), advice=advice, passes=passes)


def pgsql_steps(site: Site) -> list[Step[Any]]:
    """What makes PostgreSQL ready for Dify, in order."""
    needs, main = site.release.postgres, dify_database(site)
    plugin = dify_database(site, plugin=True)
    return [
        *site.platform.steps["pgsql"](site),
        Workable(site, main),
        Suitable(main, tuple(needs.extensions)),
        Suitable(plugin, tuple(needs.plugin_extensions)),
    ]


def owned_databases(site: Site) -> list[Step[Any]]:
    """Dify's role and what belongs to it, made by SQL."""
    main, plugin = dify_database(site), dify_database(site, plugin=True)
    needs = site.release.postgres
    return [
        Role(site, main),
        Database(site, main.database, main.user, tuple(needs.extensions)),
        Database(site, plugin.database, plugin.user, tuple(needs.plugin_extensions)),
    ]


def prefect_database_steps(site: Site, password: SecretStr) -> list[Step[Any]]:
    """Role and database `prefect` in the sandbox, for its own Prefect server."""
    port = site.environment.postgres.port
    login = Postgres("127.0.0.1", port, "prefect", password, "prefect")
    return [Role(site, login), Database(site, login.database, login.user, ("pg_trgm",))]


def _stale_template(connection: Connection) -> str:
    """Why no database can be copied from template1; empty: it can."""
    if connection.info.server_version < _COLLATIONS_SINCE:
        return ""
    row = connection.execute(_COLLATIONS).fetchone()
    if row is None or row[0] is None or row[0] == row[1]:
        return ""
    return (
        f"template1 was made for version {row[0]} of the machine's collations, which has "
        f"{row[1] or 'none'} now: PostgreSQL copies no database from it"
    )


def unfit(site: Site, major: int) -> StepError:
    """The refusal of a server whose version the release does not take."""
    needs, version = site.release.postgres, site.release.version
    return StepError(
        "pgsql",
        f"the server is PostgreSQL {major}; Dify {version} takes {needs.min} to {needs.max}",
        advice=f"use another server or release: {needs.expected}",
    )


def _without_tls(connection: Connection, login: Postgres) -> list[StepError]:
    """The error of a server that refuses the plugin daemon, which without `require` uses no TLS."""
    if login.sslmode != "prefer" or not connection.pgconn.ssl_in_use:
        return []
    try:
        with replace(login, sslmode="disable").connect():
            return []
    except PostgresRefused as error:
        cause = f"the plugin daemon asks without TLS: {error}"
        return [StepError("pgsql", cause, advice='set postgres.sslmode = "require"')]


_MAY_CREATE = """
SELECT coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'CREATE'), false)
"""


def _of_database(
    connection: Connection, login: Postgres, extensions: Sequence[str]
) -> list[StepError]:
    """What only its administrator adds: extensions, and the right to make tables."""
    rows = connection.execute("SELECT extname FROM pg_catalog.pg_extension").fetchall()
    there = {name for (name,) in rows}
    missing = [extension for extension in extensions if extension not in there]
    asks = " ".join(f'CREATE EXTENSION "{extension}";' for extension in missing)
    found: list[StepError] = []
    ask = f"as administrator in {login.database}:"
    if missing:
        cause = f"database {login.database} lacks {', '.join(missing)}"
        found.append(StepError("pgsql", cause, advice=f"{ask} {asks}"))
    if connection.execute(_MAY_CREATE).fetchone() == (False,):
        cause = f"role {login.user} may put no table into the schema public of {login.database}"
        grant = f'GRANT ALL ON SCHEMA public TO "{login.user}";'
        found.append(StepError("pgsql", cause, advice=f"{ask} {grant}"))
    return found
