"""PostgreSQL, asked once as Dify's own role."""

import time
from dataclasses import replace
from typing import NamedTuple

from clients.postgres import Connection, PostgresRefused, PostgresUnreachable
from config.cross_checks import needed_connections
from config.rules.finding import Reading, Status
from config.rules.postgres_limits import Limits
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong
from tasks.probes.health.clock import clock_reading
from tasks.probes.health.probe import Past, probe
from tasks.probes.health.replication import POSTGRES, behind, replication
from tasks.probes.subjects.postgres import vector_missing, writes
from tasks.steps import pgsql_limits
from tasks.steps.pgsql import dify_database

NAMES = (
    "writes", "connections", "pools", "replication", "transactions", "size", "archive", "clock",
)  # fmt: skip
_FULL = ("too many clients", "connection slots are reserved", "too many connections")
# All of it is shown to every role. The lag in pg_stat_replication, and whose connections those of
# others are, are not; how far a replica has written is, by the slot that Patroni gives each.
_FACTS = b"""
SELECT current_setting('server_version'),
       extract(epoch FROM clock_timestamp())::float8,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int,
       (SELECT sum(numbackends) FROM pg_stat_database)::int,
       (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)
          FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid())::float8,
       pg_is_in_recovery(),
       (SELECT count(*) FROM pg_stat_replication)::int,
       (SELECT pg_current_wal_lsn() - '0/0' WHERE NOT pg_is_in_recovery())::float8,
       (SELECT min(restart_lsn - '0/0') FROM pg_replication_slots
         WHERE active AND slot_type = 'physical')::float8,
       pg_database_size(current_database())::float8,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       current_setting('archive_mode'),
       (SELECT extract(epoch FROM clock_timestamp() - last_archived_time)
          FROM pg_stat_archiver)::float8,
       (SELECT last_failed_time > coalesce(last_archived_time, '-infinity')
          FROM pg_stat_archiver)
"""


class Facts(NamedTuple):
    """A row of `_FACTS`, in its order."""

    version: str
    clock: float
    room: int
    used: int
    oldest_s: float
    replica: bool
    replicas: int
    written: float | None
    copied: float | None
    size: float
    vector: str | None
    archive: str
    archived_s: float | None
    archive_fails: bool | None


def probes(site: Site, past: Past) -> list[Probe]:
    needs = (POSTGRES,)
    answers: dict[str, tuple[str, ...]] = {POSTGRES: ("machine",)}
    for name in NAMES:
        answers[f"{POSTGRES} {name}"] = needs
    answers["pgvector"] = needs
    start = site.platform.advice(site.environment, "PostgreSQL", "postgres")
    return [probe(site, past, answers, _ask, start)]


def _ask(site: Site, past: Past) -> list[Reading]:
    try:
        with dify_database(site).connect() as connection:
            facts, at = _facts(connection)
            found = pgsql_limits.limits(connection, site)
            trouble = pgsql_limits.write(connection)
    except (PostgresUnreachable, PostgresRefused) as error:
        if any(words in str(error) for words in _FULL):
            raise Wrong(
                f"out of connections: {error}",
                "end what holds them (SELECT * FROM pg_stat_activity), then lower "
                "postgres.pool or raise max_connections",
            ) from None
        raise
    written = writes(f"{POSTGRES} writes", found, trouble)
    return [*_readings(site, past, at, facts), written, _pools(site, found)]


def _facts(connection: Connection) -> tuple[Facts, float]:
    """What it says of itself, and our clock when it did."""
    asked = time.time()
    row = connection.execute(_FACTS).fetchone()
    at = (asked + time.time()) / 2
    assert row is not None  # noqa: S101 - a SELECT without FROM
    return Facts(*row), at


def _readings(site: Site, past: Past, at: float, facts: Facts) -> list[Reading]:
    behind_s, notes = behind(past, at, facts.written, facts.copied)
    failing = bool(facts.archive_fails)
    return [
        _primary(facts),
        *_use(site, facts),
        _vector(site, facts),
        replace(replication(site, facts.replicas, behind_s), notes=notes),
        clock_reading(f"{POSTGRES} clock", facts.clock - at, site),
        _archive(site, facts.archive, facts.archived_s, failing=failing),
    ]


def _primary(facts: Facts) -> Reading:
    version = facts.version.partition(" ")[0]
    return Reading(
        POSTGRES,
        f"PostgreSQL {version}" + (" is a replica" if facts.replica else ", primary"),
        status=Status.FAIL if facts.replica else Status.OK,
        advice="Dify cannot write: point postgres.host and port at the primary",
    )


def _use(site: Site, facts: Facts) -> list[Reading]:
    """How much of it is used: connections, time, room."""
    limits = site.environment.limits
    return [
        Reading(
            f"{POSTGRES} connections",
            f"{facts.used} of {facts.room} used",
            100 * facts.used / facts.room,
            "%",
            limits.connections_pct,
            advice="look who holds them: SELECT usename, state, count(*) FROM pg_stat_activity "
            "GROUP BY 1, 2",
        ),
        Reading(
            f"{POSTGRES} transactions",
            "oldest transaction",
            facts.oldest_s,
            "s",
            limits.transaction_s,
            advice="it keeps dead rows from being removed: find it in pg_stat_activity by "
            "xact_start, end it with pg_terminate_backend(pid)",
        ),
        Reading(
            f"{POSTGRES} size",
            f"database {site.environment.postgres.database}",
            facts.size / 1e9,
            "GB",
            limits.database_gb,
            advice="remove old workflow runs, or give it more room and raise limits.database_gb",
        ),
    ]


def _vector(site: Site, facts: Facts) -> Reading:
    return Reading(
        "pgvector",
        facts.vector or "not installed",
        status=Status.OK if facts.vector else Status.FAIL,
        advice=vector_missing(site.environment.postgres.database),
    )


def _pools(site: Site, found: Limits) -> Reading:
    probe, hindrances = f"{POSTGRES} pools", pgsql_limits.connections(site, found)
    needed = needed_connections(site.environment, site.release)
    return Reading(
        probe,
        "; ".join(each.cause for each in hindrances)
        or f"Dify's pools may open {needed} of {found.room}",
        status=Status.WARN if hindrances else Status.OK,
        advice="; ".join(each.advice for each in hindrances),
    )


def _archive(site: Site, mode: str, archived_s: float | None, *, failing: bool) -> Reading:
    """A quiet database archives nothing: only a failure that no success followed counts."""
    probe = f"{POSTGRES} archive"
    if mode == "off":
        return Reading(probe, "archive_mode is off")
    return Reading(
        probe,
        "archiving fails" if failing else "WAL is archived",
        (archived_s or 0.0) if failing else 0.0,
        "s",
        site.environment.limits.archive_s,
        advice="read pg_stat_archiver and the server's log; pgbackrest check says more",
    )
