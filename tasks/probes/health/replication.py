"""The replicas of PostgreSQL: how many there are, and how far they are behind."""

from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.health.probe import Past

POSTGRES = "postgres"
_PLACE, _SINCE = f"{POSTGRES} wal", f"{POSTGRES} wal since"


def behind(
    past: Past, at: float, written: float | None, copied: float | None
) -> tuple[float | None, dict[str, float | str]]:
    """How long the replica furthest behind lacks a place in the WAL; the place to ask for next.

    It stays the same until every replica has it. One ahead of all that is written is of another
    server.
    """
    if written is None:
        return None, {}
    place, since = float(past.notes.get(_PLACE, written)), float(past.notes.get(_SINCE, at))
    if copied is not None and copied < place <= written:
        return at - since, {_PLACE: place, _SINCE: since}
    return None if copied is None else 0.0, {_PLACE: written, _SINCE: at}


def replication(site: Site, replicas: int, behind_s: float | None) -> Reading:
    """Whom pigsty.pg_nodes names besides the primary should be one."""
    probe, limits = f"{POSTGRES} replication", site.environment.limits
    wanted = site.platform.replicas(site.environment)
    if replicas < wanted:
        return Reading(
            probe,
            f"{replicas} of {wanted} replicas",
            status=Status.WARN,
            advice="a failover has fewer to go to, or none: look at `patronictl list` on the "
            "cluster's machines and start the one that is missing",
        )
    if replicas and behind_s is None:
        return Reading(probe, f"{replicas} replicas, how far behind is not shown")
    return Reading(
        probe,
        f"{replicas} replicas" if replicas else "no replica",
        behind_s if replicas else 0.0,
        "s",
        limits.replication_lag_s,
        advice="look at the replicas: disk, network, long queries",
    )
