"""Section [nodes] of an environment."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.environment.addresses import Bind
from config.environment.forms import Destination
from config.environment.model import Strict, refuse

LOCAL = "local"


class Nodes(Strict):
    """Which machines commands run on, and how SSH reaches them."""

    admin: Destination
    dify: Annotated[list[Destination], Field(min_length=1)]
    addresses: list[Bind]
    sudo: bool
    ssh_config: str
    ssh_key: str
    patience: Annotated[float, Field(ge=0.1, le=100)]

    @model_validator(mode="after")
    def each_is_listed_once(self) -> Self:
        for key in ("dify", "addresses"):
            named: list[str] = getattr(self, key)
            twice = sorted({name for name in named if named.count(name) > 1})
            refuse(f"{key}: {name!r} is listed twice; expected each node once" for name in twice)
        return self
