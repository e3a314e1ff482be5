"""The password of an environment's backup repository and the key to where it lies."""

import secrets as random
from typing import cast

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.icons import GUIDE, icon
from blocks.secret_tables import masked

_PASSWORD_BYTES = 32


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
$ rollout points prod
```"""
    _description = "Password of an environment's restic repository, made at its first backup."

    model_config = ConfigDict(json_schema_extra=masked("credentials"))

    password: SecretStr = Field(description="The repository's password; it never rotates")
    credentials: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Variables restic reads, like AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
    initialised: str = Field(
        default="", description="The repository that was made with this password"
    )


def new() -> BackupRepository:
    """A password nobody knows yet."""
    return BackupRepository(password=SecretStr(random.token_urlsafe(_PASSWORD_BYTES)))


def load(environment: str) -> BackupRepository | None:
    """What was saved for the environment, None before its first backup."""
    try:
        return cast(BackupRepository, BackupRepository.load(_name(environment)))
    except ValueError:
        return None


def save(environment: str, block: BackupRepository) -> None:
    block.save(_name(environment), overwrite=True)


def _name(environment: str) -> str:
    return "dify-" + environment.replace("_", "-").lower()
