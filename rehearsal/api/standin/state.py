"""PostgreSQL and Redis, reached with Dify's variables."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import parse_qsl

import psycopg2
import psycopg2.extras
import redis

from standin.settings import text

Cursor = psycopg2.extras.RealDictCursor


def database() -> AbstractContextManager[Cursor]:
    return _transaction("DB_", "USERNAME", **dict(parse_qsl(text("DB_EXTRAS"))))


def vectors() -> AbstractContextManager[Cursor]:
    return _transaction("PGVECTOR_", "USER")


@contextmanager
def _transaction(prefix: str, user: str, **extras: str) -> Iterator[Cursor]:
    """A cursor in one transaction, rows as dictionaries."""
    options = f"{extras.pop('options', '')} -c timezone=UTC"
    connection = psycopg2.connect(
        host=text(f"{prefix}HOST"),
        port=text(f"{prefix}PORT", "5432"),
        user=text(f"{prefix}{user}"),
        password=text(f"{prefix}PASSWORD"),
        dbname=text(f"{prefix}DATABASE"),
        connect_timeout=5,
        options=options,
        **extras,
    )
    try:
        with connection, connection.cursor(cursor_factory=Cursor) as cursor:
            yield cursor
    finally:
        connection.close()


def cache() -> redis.Redis:
    return redis.Redis(
        host=text("REDIS_HOST"),
        port=int(text("REDIS_PORT", "6379")),
        username=text("REDIS_USERNAME") or None,
        password=text("REDIS_PASSWORD") or None,
        db=int(text("REDIS_DB", "0")),
        ssl=text("REDIS_USE_SSL").lower() == "true",
        ssl_cert_reqs=None,
        socket_connect_timeout=5,
        decode_responses=True,
    )


def event_bus() -> redis.Redis:
    """Where the worker's events pass to the API that streams them."""
    url = text("EVENT_BUS_REDIS_URL") or text("PUBSUB_REDIS_URL")
    return redis.Redis.from_url(url, decode_responses=True) if url else cache()
