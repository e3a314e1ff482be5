"""What Redis tells, judged the same wherever it is asked."""

from config.rules.finding import Reading, bad, good

KEEPS = "noeviction"


def policy(probe: str, found: str) -> Reading:
    """`found`: Redis' maxmemory-policy. A queue must lose nothing."""
    if found == KEEPS:
        return good(probe, found)
    advice = f"a full Redis would drop queued jobs: CONFIG SET maxmemory-policy {KEEPS}"
    return bad(probe, found, advice)
