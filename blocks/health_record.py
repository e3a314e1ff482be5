"""What health runs of an environment leave for the next, kept as a Prefect block.

A block document is written as a whole or not at all, is where every worker finds it, and
outlives the machines it tells of. A table of ours in the server's database would not survive its
migrations; a file beside the stack would be away whenever the machine is.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.exceptions import ObjectNotFound
from pydantic import Field

from blocks.prefect_api import api
from config.desired.health.record import Record


class HealthRecord(Block):
    """Bounded: at most 200 changes of a probe and 30 days of its values."""

    _block_type_name = "Health record"
    _block_type_slug = "health-record"
    _description = "What is known of each health probe of an environment, and since when."

    record: dict[str, Any] = Field(default_factory=dict, description="What the last run left")


@dataclass(frozen=True, slots=True)
class Kept:
    """A record and the document it lies in, None before the first run."""

    record: Record
    document: UUID | None = None


def load(environment: str) -> Kept:
    """The record of the environment, empty before its first run or if another version wrote it."""
    slug = HealthRecord.get_block_type_slug()
    try:
        found = api().read_block_document_by_name(_name(environment), slug)
    except ObjectNotFound:
        return Kept(Record())
    try:
        return Kept(Record.model_validate(found.data["record"]), found.id)
    except (KeyError, ValueError):
        return Kept(Record(), found.id)


def save(environment: str, kept: Kept, record: Record) -> None:
    """One request, but for the first time: saving a block by name takes six."""
    data = {"record": record.model_dump(mode="json")}
    if kept.document is None:
        HealthRecord(**data).save(_name(environment), overwrite=True)
        return
    update = BlockDocumentUpdate(data=data, merge_existing_data=False)
    api().update_block_document(kept.document, update)


def _name(environment: str) -> str:
    return "health-" + environment.replace("_", "-").lower()
