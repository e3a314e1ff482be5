"""What PostgreSQL tells Dify's role, judged the same wherever it is asked."""

from config.rules.finding import Reading, bad, good
from config.rules.postgres_limits import Limits, cannot_write


def writes(probe: str, found: Limits, trouble: str) -> Reading:
    """`trouble`: why a row could not be written, committed and removed; empty if it could."""
    if hindrance := next(cannot_write(found), None):
        return bad(probe, hindrance.cause, hindrance.advice)
    if trouble:
        advice = "look at the server's log and disk; is it a replica, or read-only?"
        return bad(probe, f"a row cannot be written: {trouble}", advice)
    return good(probe, "a row was written and removed")


def vector_missing(database: str) -> str:
    """What to do about it."""
    return f'as superuser, in {database}: CREATE EXTENSION "vector"'
