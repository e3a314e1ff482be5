"""What a run leaves on the Prefect server: tables, texts, labels, an event.

The work does not need the server: where none is configured, nothing is left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.events import emit_event

from blocks.prefect_api import configured

T = TypeVar("T")


def record(work: Callable[[], T]) -> T | None:
    """What `work` made on the server, None where there is none."""
    return work() if configured() else None


def table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    content = [dict(row) for row in rows] or [{"": "nothing to do"}]
    record(lambda: create_table_artifact(table=content, key=key, description=description))


def text(key: str, markdown: str, description: str) -> None:
    record(lambda: create_markdown_artifact(markdown, key=key, description=description))


def label(values: Mapping[str, str | int]) -> None:
    """Labels of the flow run that goes on."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return

    def work() -> None:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run.id, dict(values))

    record(work)


def event(name: str, resource: str, payload: Mapping[str, Any]) -> None:
    """What automations and dashboards listen to."""
    about = {"prefect.resource.id": resource}
    record(lambda: emit_event(event=name, resource=about, payload=dict(payload)))
