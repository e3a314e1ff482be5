"""What every section is made of."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

PROBLEMS = "problems"

# Strict would refuse the text that TOML has for a path.
Folder = Annotated[Path, Field(strict=False)]


class Strict(BaseModel):
    """Unknown keys are errors, types are not converted; a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def refuse(problems: Iterable[str]) -> None:
    """Fail the model with all of `problems`, each `key: what is wrong; what is expected`."""
    if found := "\n".join(problems):
        raise PydanticCustomError(PROBLEMS, "{found}", {"found": found})
