"""Section [preflight] of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.model import Strict


class Preflight(Strict):
    """What a machine must have free before a rollout starts."""

    disk_free_gb: Annotated[float, Field(ge=0)]
    memory_gb: Annotated[float, Field(ge=0)]
