"""Section [switch] of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.model import Strict


class Switch(Strict):
    """How long new containers are watched, and old ones may go on with what they had begun."""

    drain_s: Annotated[int, Field(ge=1, le=5400)]
    watch_s: Annotated[int, Field(ge=0, le=600)]
