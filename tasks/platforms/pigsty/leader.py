"""Whether a cluster has a member that takes writes, as its Patroni says, and waiting for one."""

import http.client
import time

from clients.waiting import until
from config.errors import Refusal, StepError
from tasks.core.site import Site
from tasks.platforms.pigsty.facts import nodes_of
from tasks.tools import patroni
from tasks.tools.patroni import Leaderless, Told

ANSWER_S = 3.0
WITHIN_S = 60.0
ASK_AGAIN_S = 1.0


class NoneElected(StepError, Refusal):
    """A cluster that elects no leader until a person lets it."""


def leaderless(site: Site) -> Leaderless | None:
    """Why no member of the PostgreSQL cluster takes writes; None: one does, or nobody says."""
    addresses = nodes_of(site, site.environment.pigsty.pg_cluster)
    return patroni.leaderless([said for each in addresses if (said := told(site, each))])


def require_leader(site: Site, step: str) -> None:
    """Some member takes writes: a playbook that meets none fails after minutes, or says nothing.

    Raises:
        StepError: none does, and either it cannot heal or it has not within `WITHIN_S`.
    """
    began = time.monotonic()
    missing = until(
        lambda: leaderless(site),
        lambda found: found is None or not found.transient,
        within_s=site.within(WITHIN_S),
        every_s=ASK_AGAIN_S,
        waiting=f"{step}: waiting for a leader of {site.environment.pigsty.pg_cluster}",
    )
    if missing:
        raise lacks_leader(site, step, missing, time.monotonic() - began)


def told(site: Site, address: str) -> Told | None:
    """What the machine's Patroni says; None: nobody answers there as Patroni."""
    host, port = site.admin.reach(address, patroni.PORT)
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/patroni")
        body = connection.getresponse().read(100_000).decode(errors="replace")
        return patroni.parse_told(address, body, time.time())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def lacks_leader(site: Site, step: str, missing: Leaderless, waited: float = 0.0) -> StepError:
    """The error of a cluster without a leader, which was waited for for so many seconds."""
    cluster = site.environment.pigsty.pg_cluster
    since = f" for {waited:.0f} s" if missing.transient else ""
    advice = (
        f"look at `patronictl list {cluster}` and at etcd; then deploy again"
        if missing.transient
        else f"as postgres there: patronictl resume {cluster}; then deploy again"
    )
    kind = StepError if missing.transient else NoneElected
    return kind(
        step,
        f"cluster {cluster} has no leader{since}: {missing.why}",
        tried="GET /patroni of each of its machines; no playbook was run",
        advice=advice,
    )
