"""Section [nodes] of an environment."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.environment.addresses import Bind
from config.environment.forms import Destination, SshKeyName
from config.environment.model import Strict, refuse

LOCAL = "local"


class Retries(Strict):
    """How often a step is tried in all after trouble that passes, and the first and the longest
    wait before.
    """

    attempts: Annotated[int, Field(ge=1, le=20)]
    first_s: Annotated[float, Field(ge=0, le=600)]
    longest_s: Annotated[float, Field(ge=0, le=3600)]


class Free(Strict):
    """What a machine must have free before a rollout starts, in GB."""

    disk: Annotated[float, Field(ge=0)]
    memory: Annotated[float, Field(ge=0)]


class Nodes(Strict):
    """Which machines commands run on, how SSH reaches them, how long they may take."""

    admin: Destination
    dify: Annotated[list[Destination], Field(min_length=1)]
    addresses: list[Bind]
    sudo: bool
    ssh_config: str
    ssh_key: SshKeyName
    patience: Annotated[float, Field(ge=0.1, le=100)]
    retries: Retries
    free_gb: Free

    @model_validator(mode="after")
    def each_is_listed_once(self) -> Self:
        for key in ("dify", "addresses"):
            named: list[str] = getattr(self, key)
            twice = sorted({name for name in named if named.count(name) > 1})
            refuse(f"{key}: {name!r} is listed twice; expected each node once" for name in twice)
        return self
