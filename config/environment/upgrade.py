"""Section [upgrade] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.model import Strict


class Upgrade(Strict):
    """How long a new release is watched until its upgrade counts as done, and the way back."""

    watch_s: Annotated[int, Field(ge=0, le=3600)]
    way_back: Literal["point", "cluster"]
