"""Section [backup] of an environment."""

import re
from typing import Annotated

from pydantic import Field

from config.environment.drill import DrillPlace
from config.environment.forms import Recipient, SshKeyName
from config.environment.model import Strict


class Keep(Strict):
    """How long restore points stay, and what a restore replaced.

    The newest points, and the last one of so many days, weeks and months; those made before a
    restore, upgrade or adoption for `before_days` and until that was proved. Databases and folders
    that a restore replaced stay beside the new ones for `replaced_days`; 0: until that is proved.
    A point smaller than `shrink` times the largest of the `last` ones lets nothing go.
    """

    last: Annotated[int, Field(ge=1, le=1000)]
    daily: Annotated[int, Field(ge=0, le=1000)]
    weekly: Annotated[int, Field(ge=0, le=1000)]
    monthly: Annotated[int, Field(ge=0, le=1000)]
    before_days: Annotated[int, Field(ge=0, le=3650)]
    replaced_days: Annotated[int, Field(ge=0, le=3650)]
    shrink: Annotated[float, Field(ge=0, le=1)]


class Backup(Strict):
    """Where restore points go, what they hold, how long they stay, and what a drill uses."""

    repository: str
    ssh_key: SshKeyName
    recipients: list[Recipient]
    objects: bool
    physical: bool
    keep: Keep
    verify_days: Annotated[int, Field(ge=1, le=256)]
    window_h: Annotated[float, Field(gt=0, le=8760)]
    drill: DrillPlace

    @property
    def remote(self) -> bool:
        """Whether the repository is named by a scheme of restic's, and not by a path."""
        return bool(re.match(r"[a-z][a-z0-9]*:", self.repository))
