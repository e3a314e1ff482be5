"""Events for the Prefect server, handed over before the run goes on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from blocks.prefect_api import api, configured


@dataclass(frozen=True, slots=True)
class Event:
    """`resource` is whom it is about; `labels` are further ones, to match and group by."""

    name: str
    resource: str
    labels: Mapping[str, str]
    payload: Mapping[str, Any]


def emit(events: Iterable[Event]) -> None:
    """Hand them over; without a server they reach no one."""
    if not configured():
        return
    now = datetime.now(UTC).isoformat()
    sent: list[dict[str, Any]] = [
        {
            "id": str(uuid4()),
            "occurred": now,
            "event": event.name,
            "resource": {"prefect.resource.id": event.resource, **event.labels},
            "related": [],
            "payload": dict(event.payload),
        }
        for event in events
    ]
    api().request("POST", "/events", json=sent).raise_for_status()
