"""The parameters of flows as the Prefect UI shows them; their descriptions are the docstrings'.

The server refuses what the schema does not allow, before a worker sees it.
"""

from typing import Annotated

from pydantic import Field

from config.load import environment_names, release_names
from tasks.steps.table import NAMES

ReleaseName = Annotated[str, Field(json_schema_extra={"enum": ["", *release_names()]})]
SourceName = Annotated[str, Field(json_schema_extra={"enum": ["", *environment_names()]})]
StepNames = Annotated[
    list[str],
    Field(
        json_schema_extra={"items": {"type": "string", "enum": list(NAMES)}, "uniqueItems": True}
    ),
]
Reason = Annotated[str, Field(max_length=500)]
PlanName = Annotated[str, Field(pattern=r"^([0-9a-f]{12})?$")]
Days = Annotated[int, Field(ge=0, le=3650)]
