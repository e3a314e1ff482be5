"""Events for the Prefect server, handed over before the run goes on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from blocks.prefect_api import api, configured


@dataclass(frozen=True, slots=True)
class Event:
    """`resource` is what it is about; `labels` are further ones, to match and group by.

    `related`: labels of each other thing it has to do with.
    """

    name: str
    resource: str
    labels: Mapping[str, str]
    payload: Mapping[str, Any]
    related: Sequence[Mapping[str, str]] = ()


def relations(
    *, flow: str, flow_id: str = "", deployment: str = "", tags: Iterable[str] = ()
) -> list[dict[str, str]]:
    """What the server relates its own events of such a run to, as far as automations match it."""
    found = [("flow", flow_id or flow, flow)]
    if deployment:
        found.append(("deployment", deployment, ""))
    found += [("tag", tag, tag) for tag in tags]
    return [
        {
            "prefect.resource.id": f"prefect.{role}.{identity}",
            "prefect.resource.role": role,
            "prefect.resource.name": name,
        }
        for role, identity, name in found
    ]


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
            "related": [dict(labels) for labels in event.related],
            "payload": dict(event.payload),
        }
        for event in events
    ]
    api().request("POST", "/events", json=sent).raise_for_status()
