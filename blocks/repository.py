"""The password of an environment's backup repository and the key to where it lies."""

import secrets as random
from collections.abc import Mapping

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks import secret_tables, ssh_key
from blocks.icons import GUIDE, icon
from blocks.prefect_api import load_block
from clients import restic
from clients.command import CommandFailed
from clients.node import LocalNode
from clients.restic import Restic
from config import environment as settings
from config.errors import RolloutError

_PASSWORD_BYTES = 32
_NEVER = ("RESTIC_PASSWORD", "RESTIC_REPOSITORY", "RESTIC_KEY_HINT", "RESTIC_FROM_")


class BackupRepository(Block):
    """What opens one environment's restic repository.

    Without the password nothing in the repository can be read: the recovery kit holds a copy.
    """

    _block_type_name = "Backup repository"
    _block_type_slug = "backup-repository"
    _logo_url = icon("repository")
    _documentation_url = GUIDE
    _code_example = """```console
$ rollout check prod    # opens backup.repository of the environment with this block
$ rollout backup list prod
```
```python
from blocks.repository import BackupRepository
from config.load import load_environment

BackupRepository.load("dify-prod").check(load_environment("prod").backup)
```"""
    _description = "Password of an environment's restic repository, made at its first backup."

    model_config = ConfigDict(json_schema_extra=secret_tables.masked("credentials"))

    password: SecretStr = Field(description="The repository's password; it never rotates")
    credentials: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Variables restic reads, like AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
    initialised: str = Field(
        default="", description="The repository that was made with this password"
    )

    def check(self, where: settings.Backup) -> str:
        """Open the repository with the restic of this machine.

        Raises:
            RolloutError: what is wrong.
        """
        tool = self.tool(where)
        try:
            LocalNode().run(tool.config())
        except CommandFailed as error:
            said = restic.why(error.output) if error.output else error.reason
            raise RolloutError(f"{restic.masked(where.repository)} does not open: {said}") from None
        return f"{restic.masked(where.repository)} opens with this password"

    def tool(
        self,
        where: settings.Backup,
        program: str = "restic",
        given: Mapping[str, SecretStr] | None = None,
    ) -> Restic:
        """restic, with what opens the repository; `given` overrides the block's credentials.

        Whatever these are, the password is the block's and the place the environment's.

        Raises:
            RolloutError: there is no block of the name in `backup.ssh_key`.
        """
        known = {**self.credentials, **(given or {})}
        credentials = {
            name: value.get_secret_value()
            for name, value in known.items()
            if not name.startswith(_NEVER)
        }
        return Restic(
            program,
            restic.address(where.repository, credentials),
            self.password.get_secret_value(),
            credentials,
            ssh_key.load(where.ssh_key, "backup.ssh_key") if where.ssh_key else None,
        )


def new() -> BackupRepository:
    """A password nobody knows yet."""
    return BackupRepository(password=SecretStr(random.token_urlsafe(_PASSWORD_BYTES)))


def load(environment: str) -> BackupRepository | None:
    """What was saved for the environment, None before its first backup."""
    return load_block(BackupRepository, _name(environment))


def save(environment: str, block: BackupRepository) -> None:
    block.save(_name(environment), overwrite=True)


def delete(environment: str) -> bool:
    """The block is gone; whether there was one."""
    try:
        BackupRepository.delete(_name(environment))
    except ValueError:
        return False
    return True


def _name(environment: str) -> str:
    return "dify-" + environment.replace("_", "-").lower()
