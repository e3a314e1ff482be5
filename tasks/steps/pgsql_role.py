"""Dify's role in PostgreSQL, made by an administrator who need not be a superuser."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql

from clients.postgres import Connection, DatabaseMissing, Postgres, PostgresRefused
from tasks.core.site import Site
from tasks.core.step import Change, Kind

ATTRIBUTES = {
    "rolcanlogin": "LOGIN",
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}
# The server calls any password of such a role a wrong one.
_EXPIRED = "VALID UNTIL 'infinity'"
# In one line, and of a role that is named as the environment's file may name one.
DATABASES_OF = (
    "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE "
    "pg_get_userbyid(datdba) = '{role}' OR datname IN "
    "(SELECT datname FROM pg_stat_activity WHERE usename = '{role}')"
)
# Since then a grant says what of the role comes with it, and who made a role gets none of it.
_GRANT_OPTIONS_SINCE = 160_000


@dataclass(frozen=True, slots=True)
class RoleActual:
    """What is wrong with the role: attributes to set, and whether its password is another.

    `administered`: whether the administrator may act for it, as who makes its databases must.
    """

    exists: bool
    wrong: tuple[str, ...] = ()
    password_works: bool = False
    administered: bool = True


@dataclass(frozen=True, slots=True)
class Role:
    """The role logs in with its password, and may nothing beyond its own databases."""

    site: Site
    login: Postgres
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> RoleActual:
        if self.site.platform.postgres_absent(self.site):
            return RoleActual(exists=False)
        with self.site.platform.administrator(self.site, "postgres") as connection:
            columns = sql.SQL(", ").join(map(sql.Identifier, ATTRIBUTES))
            query = sql.SQL(
                "SELECT coalesce(rolvaliduntil < now(), false), {} FROM pg_catalog.pg_roles"
                " WHERE rolname = %s"
            )
            row = connection.execute(query.format(columns), [self.login.user]).fetchone()
            if row is None:
                return RoleActual(exists=False)
            administered = _acts_for(connection, self.login.user)
        expired, *powers = row
        wanted = zip(powers, ATTRIBUTES.values(), strict=True)
        wrong = tuple(word for is_set, word in wanted if is_set == word.startswith("NO"))
        wrong += (_EXPIRED,) if expired else ()
        return RoleActual(True, wrong, self._logs_in(wrong), administered)

    def plan(self, actual: RoleActual) -> Sequence[Change]:
        if not actual.exists:
            return [self._made()]
        changes = [self._restricted(actual.wrong)] if actual.wrong else []
        role = self.login.user
        if not actual.password_works:
            what, target = f"set password of {role}", f"password of role {role}"
            changes.append(Change(Kind.CHANGE, target, what, "another one", "***", ("PASSWORD",)))
        if not actual.administered:
            what, target = f"let the administrator act for role {role}", f"members of role {role}"
            changes.append(Change(Kind.CHANGE, target, what, "may not", "member", ("GRANT",)))
        return changes

    def _made(self) -> Change:
        role = self.login.user
        after = f"{', '.join(ATTRIBUTES.values()).lower()}, password ***"
        words = ("CREATE", "PASSWORD", "GRANT")
        return Change(Kind.MAKE, f"role {role}", f"create role {role}", "absent", after, words)

    def _restricted(self, wrong: tuple[str, ...]) -> Change:
        role, after = self.login.user, ", ".join(wrong).lower()
        what, target = f"restrict role {role}", f"powers of role {role}"
        return Change(Kind.CHANGE, target, what, "otherwise", after, ("ALTER", *wrong))

    def apply(self, change: Change) -> None:
        with self.site.platform.administrator(self.site, "postgres") as connection:
            if "CREATE" in change.action:
                self._set(connection, "CREATE", ATTRIBUTES.values())
            if "ALTER" in change.action:
                self._set(connection, "ALTER", change.action[1:])
            if "PASSWORD" in change.action:
                verifier = sql.Literal(self._verifier(connection))
                statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
                connection.execute(statement.format(self._role, verifier))
            if "GRANT" in change.action and not _acts_for(connection, self.login.user):
                connection.execute(_grant(connection).format(self._role))

    def _set(self, connection: Connection, verb: LiteralString, words: Iterable[Any]) -> None:
        """Only what is wrong: who is no superuser may not even repeat NOSUPERUSER."""
        attributes = sql.SQL(" ").join(map(sql.SQL, words))
        statement = sql.SQL("{} ROLE {} WITH {}")
        connection.execute(statement.format(sql.SQL(verb), self._role, attributes))

    @property
    def _role(self) -> sql.Identifier:
        return sql.Identifier(self.login.user)

    def _logs_in(self, wrong: Sequence[str]) -> bool:
        """Whether the server takes the password where Dify will use it.

        A missing database is found out after the password was accepted.
        """
        if "LOGIN" in wrong:
            return False
        try:
            with self.login.connect():
                return True
        except DatabaseMissing:
            return True
        except PostgresRefused:
            return False

    def _verifier(self, connection: Connection) -> str:
        """The password as the server keeps it, computed here: no log ever sees the clear text."""
        password = self.login.password.get_secret_value().encode()
        user = self.login.user.encode()
        return connection.pgconn.encrypt_password(password, user, b"scram-sha-256").decode()


def _acts_for(connection: Connection, role: str) -> bool:
    """Whether who is logged in has the role's powers, and may make it an owner."""
    needed = ["USAGE"]
    if connection.info.server_version >= _GRANT_OPTIONS_SINCE:
        needed.append("SET")
    asked = (
        "SELECT bool_and(pg_has_role(current_user, %s::name, power))"
        " FROM unnest(%s::text[]) AS power"
    )
    row = connection.execute(asked, [role, needed]).fetchone()
    return row is not None and bool(row[0])


def _grant(connection: Connection) -> sql.SQL:
    if connection.info.server_version >= _GRANT_OPTIONS_SINCE:
        return sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")
    return sql.SQL("GRANT {} TO CURRENT_USER")
