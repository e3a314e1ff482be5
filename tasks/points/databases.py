"""Databases beside Dify's own: filled unseen, and then put in its place in one transaction."""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from psycopg import sql
from psycopg.errors import ObjectInUse

from clients.postgres import Connection, Postgres, PostgresRefused
from config.errors import StepError
from config.pigsty import DIRECTLY, pooled
from config.rules.restore_point import INCOMING, PREVIOUS
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.pgsql import Database, admin, dify_database

_TRIES = 20
_DISCONNECT = (
    "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity"
    " WHERE datname = ANY(%s) AND pid <> pg_catalog.pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class Twin:
    """One of Dify's databases and its name while it is `part` of a restore."""

    part: str
    live: Postgres
    extensions: tuple[str, ...]

    def named(self, suffix: str) -> Postgres:
        return replace(self.live, database=self.live.database + suffix)


def session_database(site: Site, *, plugin: bool = False) -> Postgres:
    """Dify's database past any pgbouncer: a dump wants a session of its own."""
    database = dify_database(site, plugin=plugin)
    port = DIRECTLY[database.port] if pooled(site.environment) else database.port
    return replace(database, port=port)


def twins(site: Site, parts: Sequence[str]) -> list[Twin]:
    """The databases among the parts of a point."""
    needs = site.release.postgres
    known = [
        Twin("database", session_database(site), tuple(needs.extensions)),
        Twin(
            "plugin-database", session_database(site, plugin=True), tuple(needs.plugin_extensions)
        ),
    ]
    return [twin for twin in known if twin.part in parts]


def administered(site: Site) -> bool:
    """Whether databases can be made here, and not only filled."""
    return site.platform.administered(site)


def make(site: Site, database: Postgres, extensions: Sequence[str]) -> None:
    """The database is there, and Dify's role owns it. It is empty if it could be made.

    Raises:
        StepError: it is not there, and only an administrator can make it.
    """
    if administered(site):
        drop(site, database)
        made = Database(site, database.database, database.user, tuple(extensions))
        converge(made, patience=site.within(1))
        return
    try:
        with database.connect():
            return
    except PostgresRefused as error:
        asks = "".join(f' CREATE EXTENSION "{name}";' for name in extensions)
        raise StepError(
            "restore",
            str(error),
            advice=f'as administrator: CREATE DATABASE "{database.database}" OWNER '
            f'"{database.user}"; and in it:{asks} and admit this machine in pg_hba.conf; '
            "or give postgres.admin",
        ) from None


def drop(site: Site, database: Postgres) -> None:
    """No such database is left, whoever was using it; without an administrator it is empty."""
    if not administered(site):
        with suppress(PostgresRefused), database.connect() as own:
            own.execute("DROP OWNED BY CURRENT_USER")
        return
    name = sql.Identifier(database.database)
    with admin(site) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def exists(site: Site, database: Postgres) -> bool:
    query = "SELECT FROM pg_catalog.pg_database WHERE datname = %s"
    with admin(site) as connection:
        return connection.execute(query, [database.database]).fetchone() is not None


def swap(site: Site, found: Sequence[Twin]) -> list[Twin]:
    """What came in is Dify's now, and what was Dify's is kept as `_previous`: all or nothing.

    Those of the databases that were there before.

    Raises:
        StepError: somebody reconnects to the old database faster than it can be renamed.
    """
    there = [twin for twin in found if exists(site, twin.live)]
    for twin in there:
        drop(site, twin.named(PREVIOUS))
    moves = [(twin.live, twin.named(PREVIOUS)) for twin in there]
    _renamed(site, [*moves, *((twin.named(INCOMING), twin.live) for twin in found)])
    return there


def swap_back(site: Site, found: Sequence[Twin]) -> None:
    """What was kept as `_previous` is Dify's again, and what took its place is gone."""
    for twin in found:
        drop(site, twin.named(INCOMING))
    moves = [(twin.live, twin.named(INCOMING)) for twin in found]
    _renamed(site, [*moves, *((twin.named(PREVIOUS), twin.live) for twin in found)])
    for twin in found:
        drop(site, twin.named(INCOMING))


def _renamed(site: Site, moves: Sequence[tuple[Postgres, Postgres]]) -> None:
    with admin(site) as connection, _emptied(site, [old for old, _ in moves]):
        for _ in range(_TRIES):
            with suppress(ObjectInUse), connection.transaction():
                for old, new in moves:
                    _rename(connection, old, new)
                return
    names = ", ".join(old.database for old, _ in moves)
    raise StepError(
        "restore",
        f"one of {names} stays in use: somebody reconnects faster than it can be renamed",
        advice="stop what uses the database beside Dify and restore again",
    )


@contextmanager
def _emptied(site: Site, found: Sequence[Postgres]) -> Generator[None]:
    """Nobody stays connected to these databases.

    A rename locks new connections out and then waits a few seconds for the others to end: whoever
    reconnects faster than they are ended has to be sent away while it waits.
    """
    done = threading.Event()
    names = [database.database for database in found]

    def disconnect() -> None:
        with admin(site) as connection:
            while not done.wait(0.05):
                connection.execute(_DISCONNECT, [names])

    thread = threading.Thread(target=disconnect)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _rename(connection: Connection, old: Postgres, new: Postgres) -> None:
    names = sql.Identifier(old.database), sql.Identifier(new.database)
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
