"""A restore point in the archive of a Pigsty cluster: by name, beside its physical backups."""

import logging

from config.errors import StepError
from config.rules.restore_point import Archived
from tasks.core.site import Site
from tasks.platforms.pigsty.members import Member, primary

log = logging.getLogger("rollout")


def note(site: Site, name: str) -> Archived:
    """The archive's place at the restore point `name`, which is set in it.

    Without an archive the point is as good as it is elsewhere: that is a warning.
    """
    try:
        found = _noted(primary(site), name, take=site.environment.backup.physical)
    except StepError as error:
        found = Archived(trouble=error.cause)
    if found.trouble:
        log.warning("backup: NO PHYSICAL BACKUP, no way back to a moment: %s", found.trouble)
    return found


def _noted(server: Member, name: str, *, take: bool) -> Archived:
    failed = server.back_up() if take else ""
    stanza = server.stanza().within(server.history())
    newest = stanza.backups[-1].label if stanza.backups else ""
    lsn = server.named(name)
    return Archived(restore_point=name, lsn=lsn, label=newest, trouble=failed or stanza.trouble)
