"""PostgreSQL, Redis and storage, reached with Dify's variables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import psycopg2.extras
import redis

from dify.settings import need

psycopg2.extras.register_uuid()


@contextmanager
def database(prefix: str = "DB_", user: str = "USERNAME") -> Iterator[psycopg2.extensions.cursor]:
    """A cursor in one transaction, rows as dictionaries."""
    connection = psycopg2.connect(
        host=need(f"{prefix}HOST"),
        port=need(f"{prefix}PORT"),
        user=need(f"{prefix}{user}"),
        password=need(f"{prefix}PASSWORD"),
        dbname=need(f"{prefix}DATABASE"),
        connect_timeout=5,
        options="-c timezone=UTC",
    )
    try:
        with connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            yield cursor
    finally:
        connection.close()


def vectors() -> "contextmanager":
    return database("PGVECTOR_", "USER")


def cache() -> redis.Redis:
    return redis.Redis(
        host=need("REDIS_HOST"),
        port=int(need("REDIS_PORT")),
        username=os.environ.get("REDIS_USERNAME") or None,
        password=os.environ.get("REDIS_PASSWORD") or None,
        db=int(os.environ.get("REDIS_DB", "0")),
        socket_connect_timeout=5,
        decode_responses=True,
    )


def storage() -> Path:
    root = os.environ.get("OPENDAL_FS_ROOT") or os.environ.get("STORAGE_LOCAL_PATH") or "storage"
    return Path("/app/api") / root


def put(name: str, content: bytes) -> None:
    path = storage() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
