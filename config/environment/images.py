"""Section [images] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.forms import Registry
from config.environment.model import Strict


class Images(Strict):
    """Where images come from, and how long that may take."""

    source: Literal["auto", "registry", "archive", "rehearsal"]
    archive: str
    registries: Annotated[list[Registry], Field(min_length=1)]
    logins: dict[str, str]
    pull_within_s: Annotated[int, Field(ge=10, le=86_400)]
