"""Where the password of an environment's backup repository is kept: its block, or a file.

As with Dify's secrets, the block counts where a Prefect server is configured.
"""

from blocks import repository as blocks
from blocks.prefect_api import configured
from blocks.repository import BackupRepository
from config.errors import StepError
from config.secrets import fingerprint
from tasks.core import secret_file
from tasks.core.site import Site

_NAME = "repository_password"


def load(site: Site) -> BackupRepository | None:
    """What was saved for the environment, None before its first backup.

    Raises:
        StepError: block and file have different passwords.
    """
    kept = secret_file.read(site.environment, site.node).repository
    on_machine = BackupRepository(**kept) if kept else None
    if not configured():
        return on_machine
    block = blocks.load(site.name)
    if block and on_machine and block.password != on_machine.password:
        file = secret_file.path(site.environment)
        raise StepError(
            "backup",
            f"{site.name} has two passwords of its backup repository; fingerprints: "
            f"block backup-repository {fingerprint(_NAME, block.password)}, "
            f"{file} {fingerprint(_NAME, on_machine.password)}",
            advice=f"remove `repository` from {file}, or delete the block: the one that does not "
            "open the repository",
        )
    return block or on_machine


def save(site: Site, access: BackupRepository) -> None:
    if configured():
        blocks.save(site.name, access)
        return
    clear = {
        "password": access.password.get_secret_value(),
        "credentials": {name: v.get_secret_value() for name, v in access.credentials.items()},
        "initialised": access.initialised,
    }
    secret_file.update(site.environment, site.node, repository=clear)
