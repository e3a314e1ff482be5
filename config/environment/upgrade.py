"""Section [upgrade] of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.model import Strict


class Upgrade(Strict):
    """How long a new release is watched until its upgrade counts as done."""

    watch_s: Annotated[int, Field(ge=0, le=3600)]
