"""Section [retries] of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.model import Strict


class Retries(Strict):
    """How often a step is tried again after trouble that passes, and how long it waits before."""

    attempts: Annotated[int, Field(ge=1, le=20)]
    first_s: Annotated[float, Field(ge=0, le=600)]
    longest_s: Annotated[float, Field(ge=0, le=3600)]
