"""Which failed migration is worth another try, from what Dify's command writes."""

import psycopg.errors
import pytest

from tasks.tools.migration import LOCKED, met_a_lock

# As 1.16.1's `flask upgrade-db` writes it, shortened.
WRITTEN = """\
INFO  [alembic.runtime.migration] Running upgrade 7a1c2d9e4b60 -> 6f5a9c2d8e1b, add agent debug
ERROR [commands.system] Failed to execute database migration
Traceback (most recent call last):
  File "/app/api/.venv/lib/python3.12/site-packages/sqlalchemy/engine/base.py", line 1967, in _exec
    self.dialect.do_execute(
psycopg2.errors.{error}: {words}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
sqlalchemy.exc.OperationalError: (psycopg2.errors.{error}) {words}
[SQL: ALTER TABLE agents ADD COLUMN kind VARCHAR(255)]
(Background on this error at: https://sqlalche.me/e/20/e3q8)
Database migration failed: (psycopg2.errors.{error}) {words}
"""


def test_the_classes_are_those_of_the_two_states() -> None:
    found = {getattr(psycopg.errors, name).sqlstate for name in LOCKED}
    assert found == {"55P03", "40P01"}


@pytest.mark.parametrize(
    ("error", "words", "expected"),
    [
        ("LockNotAvailable", "canceling statement due to lock timeout", True),
        ("LockNotAvailable", "storniere Anfrage wegen Zeitüberschreitung einer Sperre", True),
        ("DeadlockDetected", "deadlock detected", True),
        ("DuplicateTable", 'relation "agents" already exists', False),
        ("QueryCanceled", "canceling statement due to user request", False),
        ("UndefinedTable", "canceling statement due to lock timeout", False),
    ],
)
def test_the_class_of_the_error_decides_whatever_it_says(
    error: str, words: str, *, expected: bool
) -> None:
    assert met_a_lock(WRITTEN.format(error=error, words=words)) is expected


def test_the_last_error_is_the_one_that_ended_it() -> None:
    lock = WRITTEN.format(error="LockNotAvailable", words="lock")
    assert not met_a_lock(lock + WRITTEN.format(error="DuplicateTable", words="exists"))


def test_nothing_of_the_database_is_no_lock() -> None:
    assert not met_a_lock("exit status 1\nModuleNotFoundError: No module named 'psycopg2'")
