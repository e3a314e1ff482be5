"""What PostgreSQL's own settings keep Dify from: writing, and opening the connections it needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NONE = -1


@dataclass(frozen=True, slots=True)
class Limits:
    """What binds Dify's role. A limit of -1 is none.

    `source`: where the server has default_transaction_read_only from, in pg_settings' words.
    `room`: max_connections without those that are reserved for administrators.
    """

    role: str
    database: str
    read_only: bool
    source: str
    of_role: int
    of_databases: Mapping[str, int]
    room: int


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One setting in the way, and the statement that takes it away."""

    cause: str
    advice: str


def cannot_write(limits: Limits) -> Iterator[Hindrance]:
    """Every transaction of the role is read-only from its beginning."""
    if not limits.read_only:
        return
    alter = {
        "user": f'ALTER ROLE "{limits.role}"',
        "database": f'ALTER DATABASE "{limits.database}"',
        "database user": f'ALTER ROLE "{limits.role}" IN DATABASE "{limits.database}"',
    }.get(limits.source, "ALTER SYSTEM")
    reload = "; SELECT pg_reload_conf()" if alter == "ALTER SYSTEM" else ""
    yield Hindrance(
        f"default_transaction_read_only is on for {limits.role} in {limits.database} (set for: "
        f"{limits.source}): Dify could write nothing",
        f"as administrator: {alter} RESET default_transaction_read_only{reload};",
    )


def too_few(limits: Limits, needed: Mapping[str, int]) -> Iterator[Hindrance]:
    """`needed`: database → connections Dify may open to it."""
    total = sum(needed.values())
    if NONE < limits.of_role < total:
        yield Hindrance(
            f"role {limits.role} may have {limits.of_role} connections, Dify may open {total}",
            f'as administrator: ALTER ROLE "{limits.role}" CONNECTION LIMIT {total};',
        )
    for database, limit in limits.of_databases.items():
        if NONE < limit < needed.get(database, 0):
            yield Hindrance(
                f"database {database} takes {limit} connections, Dify may open {needed[database]}",
                f'as administrator: ALTER DATABASE "{database}" CONNECTION LIMIT '
                f"{needed[database]};",
            )
    if limits.room < total:
        yield Hindrance(
            f"the server has {limits.room} connections for roles like {limits.role}, Dify may open "
            f"{total}",
            f"raise max_connections by {total - limits.room} or more, or lower postgres.pool",
        )
