"""What health runs of an environment leave for the next, kept as a Prefect block.

A block document is written as a whole or not at all, is where every worker finds it, and
outlives the machines it tells of. A table of ours in the server's database would not survive its
migrations; a file beside the stack would be away whenever the machine is.
"""

from typing import Any, cast

from prefect.blocks.core import Block
from pydantic import Field

from config.desired.health.record import Record


class HealthRecord(Block):
    """Bounded: at most 200 changes of a probe and 30 days of its values."""

    _block_type_name = "Health record"
    _block_type_slug = "health-record"
    _description = "What is known of each health probe of an environment, and since when."

    record: dict[str, Any] = Field(default_factory=dict, description="What the last run left")


def load(environment: str) -> Record:
    """The record of the environment, empty before its first run or if an older version wrote it."""
    try:
        kept = cast(HealthRecord, HealthRecord.load(_name(environment)))
        return Record.model_validate(kept.record)
    except ValueError:
        return Record()


def save(environment: str, record: Record) -> None:
    HealthRecord(record=record.model_dump(mode="json")).save(_name(environment), overwrite=True)


def _name(environment: str) -> str:
    return "health-" + environment.replace("_", "-").lower()
