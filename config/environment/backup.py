"""Section [backup] of an environment."""

import re
from typing import Annotated

from pydantic import Field

from config.environment.addresses import Port, Subnet
from config.environment.forms import Recipient
from config.environment.model import Strict


class Backup(Strict):
    """Where restore points go, what they hold, how long they stay, and what a drill uses."""

    repository: str
    ssh_key: str
    recipients: list[Recipient]
    objects: bool
    physical: bool
    keep_last: Annotated[int, Field(ge=1, le=1000)]
    keep_daily: Annotated[int, Field(ge=0, le=1000)]
    keep_weekly: Annotated[int, Field(ge=0, le=1000)]
    keep_monthly: Annotated[int, Field(ge=0, le=1000)]
    keep_before_days: Annotated[int, Field(ge=0, le=3650)]
    keep_replaced_days: Annotated[int, Field(ge=0, le=3650)]
    shrink: Annotated[float, Field(ge=0, le=1)]
    verify_days: Annotated[int, Field(ge=1, le=256)]
    window_h: Annotated[float, Field(gt=0, le=8760)]
    lock_within_s: Annotated[int, Field(ge=0, le=86_400)]
    drill_subnet: Subnet
    drill_port: Port
    drill_redis: Annotated[int, Field(ge=0, le=15)]
    drill_broker: Annotated[int, Field(ge=0, le=15)]

    @property
    def remote(self) -> bool:
        """Whether the repository is named by a scheme of restic's, and not by a path."""
        return bool(re.match(r"[a-z][a-z0-9]*:", self.repository))
