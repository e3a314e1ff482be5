"""The archive of a Pigsty cluster: its physical backups, named points in it, where it stands."""

import logging
from dataclasses import dataclass

from config.desired.restore_point import Archived
from config.errors import StepError
from tasks.pigsty.machines import Machine
from tasks.pigsty.pgsql import machines
from tasks.site import Site
from tasks.tools import pgbackrest
from tasks.tools.pgbackrest import Stanza

log = logging.getLogger("rollout")

SUPERUSER = "postgres"
BACKUP_S = 86_400
_PRIMARY = "SELECT NOT pg_is_in_recovery()"
_LSN = "SELECT pg_current_wal_lsn()"
# A commit, then the segment that holds it goes to the archive: a target before it can be reached.
_COMMIT = "SELECT pg_current_xact_id()"
_SWITCH = "SELECT pg_walfile_name(pg_switch_wal())"
_ARCHIVED = "SELECT coalesce(last_archived_wal, '') >= '{}' FROM pg_stat_archiver"


@dataclass(frozen=True, slots=True)
class Primary:
    """The machine of the cluster that writes, asked as its superuser."""

    machine: Machine
    cluster: str

    def ask(self, statement: str) -> str:
        """What psql answers.

        Raises:
            StepError: PostgreSQL refuses.
        """
        words = ("psql", "-AXtq", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-d", "postgres")
        done = self.machine.run((*words, "-c", statement), SUPERUSER)
        if done.status != 0:
            raise StepError(
                "backup", f"{self.machine.address}: psql: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout.strip()

    def writes(self) -> bool:
        """Whether it is no replica, and recovers nothing."""
        return self.ask(_PRIMARY) == "t"

    def lsn(self) -> str:
        return self.ask(_LSN)

    def named(self, name: str) -> str:
        """A restore point of that name is in the archive's stream; where."""
        return self.ask(f"SELECT pg_create_restore_point('{name}')")

    def stanza(self) -> Stanza:
        """The cluster's physical backups, or why there are none: that is no failure."""
        done = self.machine.run(pgbackrest.info(self.cluster), SUPERUSER)
        if done.status != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            return Stanza((), f"pgbackrest: {said[-1] if said else 'it says nothing'}")
        return pgbackrest.parse_info(done.stdout, self.cluster)

    def back_up(self) -> str:
        """Take an incremental backup; why it failed, empty if it did not."""
        done = self.machine.run(pgbackrest.INCREMENTAL, SUPERUSER, timeout_s=BACKUP_S)
        said = (done.stderr or done.stdout).strip().replace("\\n", "\n").splitlines()
        return "" if done.status == 0 else f"pg-backup: {said[-1] if said else 'it says nothing'}"

    def archive_now(self) -> str:
        """Everything up to now is on its way into the archive; the last segment of it."""
        self.ask(_COMMIT)
        return self.ask(_SWITCH)

    def has_archived(self, segment: str) -> bool:
        return self.ask(_ARCHIVED.format(segment)) == "t"


def primary(site: Site) -> Primary:
    """The cluster's primary, whichever of its machines do not answer.

    Raises:
        StepError: none of them is.
    """
    cluster = site.environment.pigsty.pg_cluster
    found = [Primary(machine, cluster) for machine in machines(site)]
    silent: list[str] = []
    for each in found:
        try:
            if len(found) == 1 or each.writes():
                return each
        except StepError as error:
            silent.append(error.cause)
    raise StepError(
        "backup",
        "; ".join([f"cluster {cluster} has no primary", *silent]),
        advice="look at `patronictl list` on its machines",
    )


def note(site: Site, name: str) -> Archived | None:
    """Where the archive is at the restore point `name`, which it is told; None off Pigsty.

    Without an archive the point is as good as it is elsewhere: that is a warning.
    """
    if site.environment.platform.kind != "pigsty":
        return None
    try:
        found = _noted(primary(site), name, take=site.environment.backup.physical)
    except StepError as error:
        found = Archived(trouble=error.cause)
    if found.trouble:
        log.warning("backup: NO PHYSICAL BACKUP, no way back to a moment: %s", found.trouble)
    return found


def _noted(server: Primary, name: str, *, take: bool) -> Archived:
    failed = server.back_up() if take else ""
    stanza = server.stanza()
    newest = stanza.backups[-1].label if stanza.backups else ""
    lsn = server.named(name)
    return Archived(restore_point=name, lsn=lsn, label=newest, trouble=failed or stanza.trouble)
