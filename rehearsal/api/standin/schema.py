"""The schema as revisions in one transaction, with Dify's lock and Dify's exit statuses."""

import logging
import threading
import time
from contextlib import suppress

import psycopg2
import redis

from standin.revisions import known
from standin.settings import FAILED_MIGRATION_IS_SEEN, text
from standin.state import Cursor, cache, database

LOCK, LOCK_S, RENEW_S = "db_upgrade_lock", 60, 20
log = logging.getLogger("alembic.runtime.migration")


class UnknownRevision(Exception):
    """The database was migrated by a release this one does not know."""


def head() -> str:
    return known()[-1].name


def history() -> list[str]:
    """A line a revision, the head first, as Alembic writes them."""
    lines: list[str] = []
    before = "<base>"
    for revision in known():
        mark = " (head)" if revision.name == head() else ""
        lines.insert(0, f"{before} -> {revision.name}{mark}, {revision.title}")
        before = revision.name
    return lines


def current(cursor: Cursor) -> str | None:
    cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL AS present")
    if not cursor.fetchone()["present"]:
        return None
    cursor.execute("SELECT version_num FROM alembic_version")
    row = cursor.fetchone()
    return row["version_num"] if row else None


def upgrade() -> None:
    """Bring the schema to the head, all or nothing."""
    revisions = known()
    pause = float(text("REHEARSAL_MIGRATION_SECONDS", "0")) / len(revisions)
    with database() as cursor:
        found = current(cursor)
        names = [revision.name for revision in revisions]
        if found is not None and found not in names:
            raise UnknownRevision(f"Can't locate revision identified by '{found}'")
        for revision in revisions[names.index(found) + 1 if found else 0 :]:
            log.info("Running upgrade %s -> %s, %s", found or "", revision.name, revision.title)
            cursor.execute(revision.statements)
            cursor.execute("DELETE FROM alembic_version")
            cursor.execute("INSERT INTO alembic_version VALUES (%s)", (revision.name,))
            found = revision.name
            time.sleep(pause)


def upgrade_with_lock() -> int:
    """As `upgrade`; status 0 without having done anything while another holds the lock."""
    lock = cache().lock(LOCK, timeout=LOCK_S, thread_local=False)
    if not lock.acquire(blocking=False):
        print("Database migration skipped")
        return 0
    print("Preparing database migration...")
    done = threading.Event()
    if FAILED_MIGRATION_IS_SEEN:  # the releases that renew the lock
        threading.Thread(target=_renew, args=(lock, done), daemon=True).start()
    try:
        upgrade()
    except Exception as error:  # noqa: BLE001
        print(f"Database migration failed: {_shown(error)}")
        return 1 if FAILED_MIGRATION_IS_SEEN else 0
    else:
        print("Database migration successful!")
        return 0
    finally:
        done.set()
        with suppress(redis.RedisError):
            lock.release()


def _shown(error: Exception) -> str:
    """As SQLAlchemy shows an error of PostgreSQL: its class first, which is of its SQLSTATE."""
    if isinstance(error, psycopg2.Error):
        return f"({type(error).__module__}.{type(error).__name__}) {error}"
    return str(error)


def _renew(lock: "redis.lock.Lock", done: threading.Event) -> None:
    while not done.wait(RENEW_S):
        with suppress(redis.RedisError):
            lock.reacquire()
