"""Whether Dify's role can work in its database: it may write, and connect as often as Dify does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from clients.postgres import Connection, Postgres
from config.cross_checks import connections_by_database
from config.errors import NotKnown
from config.pigsty import pooled
from config.rules.postgres_limits import Hindrance, Limits, cannot_write, too_few
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Planned

_ASKED = """
SELECT current_setting('default_transaction_read_only')::bool,
       (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only'),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT json_object_agg(datname, datconnlimit) FROM pg_database WHERE datname = ANY (%s)),
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int
"""
# One row of a large object, committed and removed on the server: nothing of Dify's is touched, no
# table is made, and nothing stays where the client dies meanwhile.
_WRITTEN = """
DO $$ DECLARE made oid;
BEGIN
  made := pg_catalog.lo_from_bytea(0, 'dify-rollout');
  COMMIT;
  PERFORM pg_catalog.lo_unlink(made);
END $$
"""


def limits(connection: Connection, site: Site) -> Limits:
    """What the server says of Dify's role and its databases."""
    postgres = site.environment.postgres
    databases = list(connections_by_database(site.environment, site.release))
    found: Any = connection.execute(_ASKED, [databases]).fetchone()
    read_only, source, of_role, of_databases, room = found
    return Limits(
        postgres.user, postgres.database, read_only, source, of_role, of_databases or {}, room
    )


def connections(site: Site, found: Limits) -> list[Hindrance]:
    """What keeps Dify from opening its connections; pgbouncer opens its own, and fewer."""
    if pooled(site.environment):
        return []
    return list(too_few(found, connections_by_database(site.environment, site.release)))


def write(connection: Connection) -> str:
    """Why a row cannot be written, committed and removed; empty if it can."""
    row = connection.execute("SHOW transaction_read_only").fetchone()
    if row and row[0] == "on":
        return "transactions are read-only"
    try:
        connection.execute(_WRITTEN)
    except psycopg.Error as error:
        if connection.broken:
            raise
        return str(error).partition("\n")[0]
    return ""


@dataclass(frozen=True, slots=True)
class Workable:
    """Dify's role may write, and open as many connections as Dify does.

    All of it is the administrator's to change, who may have had a reason. Where it
    cannot be asked, the parts before say why.
    """

    site: Site
    login: Postgres
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> list[Hindrance]:
        try:
            with self.login.connect() as connection:
                found = limits(connection, self.site)
        except NotKnown:
            return []
        return [*cannot_write(found), *connections(self.site, found)]

    def plan(self, actual: list[Hindrance]) -> Sequence[Planned]:
        return [Blocked("use PostgreSQL", each.cause, each.advice) for each in actual]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""
