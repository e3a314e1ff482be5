"""The archive of a Pigsty cluster: where it leads back to, and from which physical backup."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from clients.command import PATIENCE
from clients.waiting import until
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.upgrade_mark import Named
from tasks.platforms.pigsty.members import Member, primary
from tasks.points.choice import STEP
from tasks.points.goal import Goal
from tasks.tools.pgbackrest import Physical
from tasks.tools.wal import History, place

log = logging.getLogger("rollout")

ARCHIVED_WITHIN_S = 120.0
_ASK_AGAIN_S = 0.5


def named(site: Site, name: str) -> Named:
    """A new restore point of that name in the cluster's archive.

    Raises:
        StepError: there is no physical backup to go back from.
    """
    server = primary(site)
    history = server.history()
    backups(server, history)
    lsn = server.named(name)
    log.info("%s is a restore point in the archive, at %s", name, lsn)
    return Named(name=name, at=datetime.now(UTC), timeline=history.timeline, place=place(lsn))


def start(server: Member, goal: Goal, history: History) -> str:
    """The backup that recovery to the goal begins with: the newest before it.

    Raises:
        StepError: the archive does not lead there; says what it does.
    """
    found, now = backups(server, history), datetime.now(UTC)
    before = [backup.label for backup in found if goal.follows(backup)]
    if before and goal.in_archive(history, now):
        return before[-1]
    first = found[0].stop + timedelta(seconds=1)
    raise StepError(
        STEP,
        f"{goal} is outside the archive of {server.cluster}",
        advice=f"expected a time from {first.isoformat()} to {now.isoformat('T', 'seconds')}, "
        "or a restore point of it",
    )


def backups(server: Member, history: History) -> Sequence[Physical]:
    """The cluster's physical backups that lead to what it is, the oldest first; at least one."""
    stanza = server.stanza().within(history)
    if not stanza.backups:
        raise StepError(
            STEP,
            f"cluster {server.cluster} has no physical backup: {stanza.trouble}",
            advice="as postgres on the primary: pg-backup full; or take a restore point",
        )
    return stanza.backups


def complete(site: Site, server: Member) -> None:
    """The archive holds everything up to now: recovery needs a commit after the moment."""
    segment = server.archive_now()
    if not until(
        lambda: server.has_archived(segment),
        within_s=site.within(ARCHIVED_WITHIN_S),
        every_s=_ASK_AGAIN_S,
        waiting=f"restore: waiting for the archive to have {segment}",
    ):
        raise StepError(
            STEP,
            f"{segment} does not get into the archive of {server.cluster}",
            advice="nothing was changed; look at pg_stat_archiver and pgBackRest's log, "
            f"or raise {PATIENCE} if it only takes longer",
        )


def back_up(site: Site) -> str:
    """Take a physical backup of a cluster that went back; why it failed, empty if it did not.

    Those of before lead there too, as long as they are kept: a failure undoes nothing.
    """
    try:
        failed = primary(site).back_up()
    except StepError as error:
        failed = error.cause
    if failed:
        log.warning("restore: NO PHYSICAL BACKUP since the cluster went back: %s", failed)
    return failed
