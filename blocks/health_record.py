"""What health runs of an environment leave for the next, kept as a Prefect block.

A block document is written as a whole or not at all, is where every worker finds it, and
outlives the machines it tells of. A table of ours in the server's database would not survive its
migrations; a file beside the stack would be away whenever the machine is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL
from pydantic import Field

from blocks.icons import GUIDE, icon
from blocks.prefect_api import api, configured
from config.rules.health.record import Record


class HealthRecord(Block):
    """Bounded: at most 200 changes of a probe and 30 days of its values.

    Text, since the server takes documents apart key by key, and each of a fleet has hundreds.
    """

    _block_type_name = "Health record"
    _block_type_slug = "health-record"
    _logo_url = icon("record")
    _documentation_url = GUIDE
    _code_example = """```python
from blocks import health_record

print(health_record.load("prod").record)
```"""
    _description = "What is known of each health probe of an environment, and since when."

    record: str = Field("{}", description="What the last run left, as JSON")

    @classmethod
    def registered(cls) -> tuple[UUID, UUID]:
        """Ids of type and schema, which the server knows from now on."""
        try:
            cls.register_type_and_schema()
        except ObjectAlreadyExists:  # by another process, just now
            cls.register_type_and_schema()
        return cast(tuple[UUID, UUID], (cls._block_type_id, cls._block_schema_id))


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and the document it lies in, None before the first run."""

    record: Record
    document: UUID | None = None


def load(environment: str) -> Stored:
    """The record of the environment, empty before its first run or if another version wrote it."""
    return load_all([environment])[environment]


def load_all(environments: Sequence[str]) -> dict[str, Stored]:
    """By environment, with one request: asking for each takes the server ten times as long.

    Without a server nothing is known of any.
    """
    if not configured():
        return {name: Stored(Record()) for name in environments}
    wanted = {
        "block_documents": {"name": {"any_": [_name(name) for name in environments]}},
        "block_types": {"slug": {"any_": [HealthRecord.get_block_type_slug()]}},
        "include_secrets": True,
    }
    documents = api().request("POST", "/block_documents/filter", json=wanted).json()
    found = {each["name"]: each for each in documents}
    return {name: _kept(found.get(_name(name))) for name in environments}


def _kept(document: dict[str, Any] | None) -> Stored:
    if document is None:
        return Stored(Record())
    identity = UUID(document["id"])
    try:
        return Stored(Record.model_validate_json(document["data"]["record"]), identity)
    except (KeyError, ValueError):
        return Stored(Record(), identity)


def save(environment: str, kept: Stored, record: Record) -> None:
    """One request: saving a block by its name takes six. Without a server nothing is saved."""
    if not configured():
        return
    data = {"record": record.model_dump_json()}
    document = kept.document or _made(environment, data)
    if document is not None:
        update = BlockDocumentUpdate(data=data, merge_existing_data=False)
        api().update_block_document(document, update)


def _made(environment: str, data: dict[str, Any]) -> UUID | None:
    """None if made with these data; the document if another run made it meanwhile."""
    kind, schema = _registered(PREFECT_API_URL.value() or "")
    new = BlockDocumentCreate(
        name=_name(environment), data=data, block_type_id=kind, block_schema_id=schema
    )
    try:
        api().create_block_document(new)
    except ObjectAlreadyExists:
        return load(environment).document
    return None


def _registered(server: str) -> tuple[UUID, UUID]:
    """Ids of type and schema on that server; runs side by side register them once."""
    with _registering:
        if server not in _ids:
            _ids[server] = HealthRecord.registered()
        return _ids[server]


_registering = Lock()
_ids: dict[str, tuple[UUID, UUID]] = {}


def _name(environment: str) -> str:
    return "health-" + environment.replace("_", "-").lower()
