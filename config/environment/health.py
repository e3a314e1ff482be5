"""Section [health] of an environment."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from config.environment.forms import BlockSlug
from config.environment.model import Strict, refuse

Answers = Annotated[int, Field(ge=1, le=20)]


class Health(Strict):
    """When an answer counts, whom an alert tells, and which services are restarted."""

    again_after_s: Annotated[float, Field(ge=0, le=60)]
    confirm: Annotated[list[Answers], Field(min_length=2, max_length=2)]
    repeat_h: Annotated[float, Field(gt=0, le=8760)]
    missing_after_s: Annotated[int, Field(ge=10, le=604_800)]
    notify: list[BlockSlug]
    skip: list[str]
    metrics: str
    heal: dict[str, Annotated[int, Field(ge=1, le=60)]]

    @model_validator(mode="after")
    def confirms_within_its_window(self) -> Self:
        bad, answers = self.confirm
        if bad > answers:
            refuse([f"confirm: {bad} of {answers} cannot be; expected the smaller number first"])
        if self.metrics and not Path(self.metrics).is_absolute():
            refuse([f"metrics: {self.metrics!r} is relative; expected an absolute path"])
        return self
