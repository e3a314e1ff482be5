"""The recovery kit: all that opens an environment's backups, readable by its owners alone."""

import logging
import shlex
from datetime import datetime
from pathlib import Path

from clients.files import File
from config.environment import Environment
from tasks.core.packages import program
from tasks.core.site import Site
from tasks.points.repository import Repository
from tasks.tools import age

log = logging.getLogger("rollout")


def kit_file(environment: Environment) -> Path:
    return environment.dify.home.parent / f"recovery-kit-{environment.name}.age"


def renew(site: Site, repository: Repository, at: datetime) -> str:
    """The kit as it is now, written beside the stack; empty where nobody could open it."""
    recipients = site.environment.backup.recipients
    if not recipients:
        log.warning("backup: NO RECOVERY KIT: backup.recipients names no public key")
        return ""
    program(site.node, "age")
    text = site.node.run(age.encrypt(recipients, contents(site, repository, at)))
    site.node.write(File(kit_file(site.environment), text.encode(), mode=0o600))
    return text


def contents(site: Site, repository: Repository, at: datetime) -> str:
    """Variables a shell reads: those restic takes, and every secret as SECRET_<name>."""
    opening = {
        "RESTIC_REPOSITORY": repository.tool.repository,
        "RESTIC_PASSWORD": repository.tool.password,
        **repository.tool.credentials,
    }
    secrets = {f"SECRET_{name}": value.get_secret_value() for name, value in site.secrets.items()}
    lines = [f"{name}={shlex.quote(value)}" for name, value in (opening | secrets).items()]
    head = [
        f"# Recovery kit of the environment {site.name}, {at.isoformat(timespec='seconds')}.",
        "# docs/recovery.md of dify-rollout tells how to use it.",
    ]
    return "\n".join([*head, *lines]) + "\n"
