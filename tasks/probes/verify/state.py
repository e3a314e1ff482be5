"""PostgreSQL and Redis, asked over TCP as Dify's own roles."""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from clients.postgres import Connection, Postgres
from clients.redis import RedisServer
from config.cross_checks import needed_connections
from config.desired.services import active
from config.rules.finding import Reading
from tasks.core.site import Site
from tasks.probes.engine import Answer, Probe, Wrong
from tasks.probes.subjects import postgres, redis
from tasks.steps import pgsql_limits
from tasks.steps.pgsql import dify_database
from tasks.steps.redis import dify_redis

POSTGRES = "PostgreSQL answers"
REDIS = "Redis answers"
WRITES = "PostgreSQL takes writes"
EVICTS = "Redis evicts nothing"
_WANTED = 42
_NEAREST = (
    b"SELECT id FROM rollout_verify ORDER BY embedding <=>"
    b" (SELECT embedding FROM rollout_verify WHERE id = 42) LIMIT 1"
)


def probes(site: Site, *, deep: bool) -> list[Probe]:
    """What Dify's state needs; `deep` adds a vector table with an index."""
    database = dify_database(site)
    start = site.platform.advice(site.environment, "PostgreSQL", "postgres")
    vectors = postgres.vector_missing(database.database)
    step = f"look at the step pgsql: rollout deploy {site.name}"

    def asked(name: str, ask: Callable[[], Answer], advice: str, within_s: float = 10) -> Probe:
        return Probe(name, ask, (POSTGRES,), within_s, advice)

    found = [
        Probe(POSTGRES, partial(answers, database), advice=start),
        asked("PostgreSQL role has no superpowers", partial(ordinary, database), step),
        asked(WRITES, partial(writes, site, database), step),
        asked("PostgreSQL has connections enough", partial(enough, site, database), step),
        asked("pgvector computes", partial(vector, database), vectors),
    ]
    if "plugin_daemon" in active(site.environment, site.release):
        ask = partial(answers, dify_database(site, plugin=True))
        found.append(Probe("plugin database answers", ask, advice="deploy again"))
    found += _redis(site)
    if deep:
        found.append(asked("pgvector index finds", partial(index, database), vectors, 60))
    return found


def _redis(site: Site) -> list[Probe]:
    broker = dify_redis(site, broker=True)
    start = site.platform.advice(site.environment, "Redis", "redis")
    return [
        Probe(REDIS, partial(pings, broker), advice=start),
        Probe("Redis passes a job on", partial(queue, broker), (REDIS,), advice=start),
        Probe(EVICTS, partial(keeps, broker), (REDIS,), advice=start),
    ]


def answers(database: Postgres) -> str:
    with database.connect() as connection:
        _one(connection, b"SELECT 1")
        version = _one(connection, b"SHOW server_version")
    return f"PostgreSQL {version.split()[0]} as {database}"


def ordinary(database: Postgres) -> str:
    with database.connect() as connection:
        found = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    words = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
    held = [word for word, on in zip(words, found or (), strict=True) if on]
    if held:
        without = " ".join(f"NO{word}" for word in held)
        raise Wrong(
            f"{database.user} is {', '.join(held)}",
            f"as superuser: ALTER ROLE {database.user} {without}",
        )
    return f"{database.user} is an ordinary role"


def writes(site: Site, database: Postgres) -> Reading:
    with database.connect() as connection:
        found = pgsql_limits.limits(connection, site)
        return postgres.writes(WRITES, found, pgsql_limits.write(connection))


def enough(site: Site, database: Postgres) -> str:
    with database.connect() as connection:
        found = pgsql_limits.limits(connection, site)
    if hindrances := pgsql_limits.connections(site, found):
        causes = "; ".join(each.cause for each in hindrances)
        raise Wrong(causes, "; ".join(each.advice for each in hindrances))
    return f"{needed_connections(site.environment, site.release)} of {found.room}"


def vector(database: Postgres) -> str:
    with database.connect() as connection:
        distance = _one(connection, b"SELECT '[1,2,3]'::vector <-> '[1,2,5]'::vector")
        version = _one(connection, b"SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if distance != 2:  # noqa: PLR2004
        raise Wrong(f"the distance of two vectors is {distance}, expected 2")
    return f"pgvector {version}"


def index(database: Postgres) -> str:
    """A table as Dify makes one for a knowledge base, in a transaction that is never committed."""
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "CREATE TABLE rollout_verify (id int PRIMARY KEY, embedding vector(1536))"
        )
        connection.execute(
            "CREATE INDEX ON rollout_verify USING hnsw (embedding vector_cosine_ops)"
            " WITH (m = 16, ef_construction = 64)"
        )
        connection.execute(
            "INSERT INTO rollout_verify SELECT i, (SELECT array_agg(sin(i * j))"
            " FROM generate_series(1, 1536) j)::vector FROM generate_series(1, 100) i"
        )
        # So few rows would be read one by one: the index is what is to be proved.
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = connection.execute(b"EXPLAIN " + _NEAREST).fetchall()
        found = _one(connection, _NEAREST)
    if not any("rollout_verify_embedding_idx" in str(line) for line in plan):
        raise Wrong("the HNSW index exists and is not used")
    if found != _WANTED:
        raise Wrong(f"the nearest vector to number {_WANTED} is said to be number {found}")
    return "100 vectors of 1536 dimensions, HNSW, cosine"


def pings(server: RedisServer) -> str:
    with server.client() as client:
        version = _info(client, "server")["redis_version"]
    return f"Redis {version} at {server}"


def queue(server: RedisServer) -> str:
    """What is pushed comes out at the other end; the key is ours and expires by itself."""
    key, job = f"rollout-verify:{secrets.token_hex(4)}", secrets.token_hex(8)
    with server.client() as client:
        try:
            client.lpush(key, job)
            client.expire(key, 60)
            came: Any = client.brpop([key], timeout=2)
        finally:
            client.delete(key)
    if came is None or came[1] != job:
        raise Wrong("a job was pushed and did not come out of the queue")
    return f"database {server.database}"


def keeps(server: RedisServer) -> Reading:
    with server.client() as client:
        return redis.policy(EVICTS, str(_info(client, "memory")["maxmemory_policy"]))


def _one(connection: Connection, statement: bytes) -> Any:
    row = connection.execute(statement).fetchone()
    if row is None:
        raise Wrong(f"no answer to {statement.decode()}")
    return row[0]


def _info(client: Any, section: str) -> dict[str, Any]:
    return client.info(section)
