"""Replicas of a cluster that went back to a moment: copied anew from the one that did."""

import logging
from dataclasses import dataclass

from clients.waiting import until
from config.errors import StepError
from tasks.core.site import Site
from tasks.platforms.pigsty.members import Member, machines
from tasks.tools import patroni
from tasks.tools.patroni import Listed

log = logging.getLogger("rollout")

STEP = "restore"
WITHIN_S = 120.0
_ASK_AGAIN_S = 2.0


def renew(site: Site, server: Member) -> None:
    """No replica of the one that went back holds what was undone.

    Pigsty's playbook stops a replica so hard that Patroni does not see it is ahead: it starts and
    stays on the old history with everything that was undone, and a failover would bring that back.

    Raises:
        StepError: one still does; says how to copy it by hand.
    """
    addresses = {machine.address for machine in machines(site, STEP)}
    if len(addresses) == 1:
        return
    asked: set[str] = set()
    seen = until(
        lambda: _renewed(server, asked),
        lambda found: found.leader and not found.left,
        within_s=site.within(WITHIN_S),
        every_s=_ASK_AGAIN_S,
        waiting=f"restore: waiting for the replicas of {server.cluster} to follow",
    )
    if seen.left or not seen.leader:
        raise _left(server, seen.left)
    for away in sorted(addresses - seen.hosts):
        log.warning(
            "restore: %s was off and holds what was undone: once it is back, patronictl reinit %s",
            away,
            server.cluster,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """The cluster's leader, the replicas that do not follow it yet, and every member's address."""

    leader: Listed | None
    left: list[Listed]
    hosts: set[str]


def _renewed(server: Member, asked: set[str]) -> _Seen:
    """How the cluster is; every replica is told to copy itself anew, once: those are `asked`."""
    found = _listed(server)
    leader = next((each for each in found if each.leads), None)
    others = [each for each in found if not each.leads]
    for each in others:
        if leader and each.name not in asked and _reinit(server, each):
            asked.add(each.name)
    left = [e for e in others if leader and not (e.name in asked and e.follows(leader))]
    return _Seen(leader, left, {each.host for each in found})


def _listed(server: Member) -> list[Listed]:
    """No member while Patroni does not answer."""
    done = server.run(patroni.members(server.cluster))
    try:
        return patroni.parse_members(done.stdout)
    except (ValueError, KeyError):
        return []


def _reinit(server: Member, replica: Listed) -> bool:
    """Whether Patroni took the order; it may refuse one while that member starts."""
    done = server.run(patroni.reinit(server.cluster, replica.name))
    if done.status == 0:
        log.info("restore: replica %s is copied anew from the primary", replica.name)
    return done.status == 0


def _left(server: Member, left: list[Listed]) -> StepError:
    names = ", ".join(each.name for each in left) or "no member answers Patroni"
    return StepError(
        STEP,
        f"cluster {server.cluster} went back, its replicas did not: {names}",
        advice=f"they hold what was undone. As postgres on {server.machine.address}: "
        f"patronictl reinit {server.cluster}, before anything fails over; then run this again",
    )
