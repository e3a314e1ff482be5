"""Section [switch] of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.model import Strict


class Switch(Strict):
    """How long what was replaced may go on with what it had begun."""

    drain_s: Annotated[int, Field(ge=1, le=5400)]
