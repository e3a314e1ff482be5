"""Whether the environment has its state on the very servers that the other Dify has.

One server has many addresses: of its machine, of its container, of a proxy or a pooler before it.
So both addresses are asked which server it is, with the other Dify's own login, which a server
takes wherever it is reached. One that does not say counts by its address.
"""

from dataclasses import replace
from typing import Any

import psycopg

from clients.postgres import Connection
from clients.redis import RedisServer
from config.environment import Postgres, Redis
from config.errors import NotKnown
from tasks.core.site import Site
from tasks.points.databases import session_database
from tasks.steps.pgsql import dify_database
from tasks.steps.redis import dify_redis

# To the microsecond: no two servers that run have the same, and every role may ask.
_BEGAN = "SELECT pg_catalog.pg_postmaster_start_time()"


def is_one_postgres(site: Site, there: Site) -> bool:
    """Whether PostgreSQL of the site is that of the other Dify."""
    other = session_database(there)
    own = replace(
        dify_database(site), user=other.user, password=other.password, database=other.database
    )
    try:
        with other.connect() as at_other, own.connect() as at_own:
            return _began(at_other) == _began(at_own)
    except (NotKnown, psycopg.Error):
        return _one_address(site.environment.postgres, there.environment.postgres)


def is_one_redis(site: Site, there: Site) -> bool:
    """Whether Redis of the site is that of the other Dify."""
    other, redis = dify_redis(there), site.environment.redis
    own = replace(other, host=redis.host, port=redis.port)
    try:
        return _run_id(other) == _run_id(own)
    except (NotKnown, KeyError):
        return _one_address(redis, there.environment.redis)


def _began(connection: Connection) -> Any:
    return connection.execute(_BEGAN).fetchone()


def _run_id(server: RedisServer) -> str:
    return str(server.facts()["run_id"])


def _one_address(one: Postgres | Redis, other: Postgres | Redis) -> bool:
    return (one.host, one.port) == (other.host, other.port)
