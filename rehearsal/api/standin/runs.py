"""A run of a workflow: its events, as streamed, and its row."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from standin import workflow
from standin.state import database

Event = dict[str, Any]


def new(app: str, inputs: dict[str, Any], user: str) -> dict[str, Any]:
    """A run of the app's published workflow. Raises LookupError if nothing is published."""
    with database() as cursor:
        cursor.execute(
            "SELECT w.id, w.graph FROM workflows w JOIN apps a ON a.workflow_id = w.id"
            " WHERE a.id = %s",
            (app,),
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError("Workflow not published")
    return {
        "app_id": app,
        "workflow_id": str(row["id"]),
        "task_id": str(uuid.uuid4()),
        "workflow_run_id": str(uuid.uuid4()),
        "graph": json.loads(row["graph"]),
        "inputs": inputs,
        "user": user,
    }


def channel(run: dict[str, Any]) -> str:
    return f"workflow_run:{run['workflow_run_id']}"


def events(run: dict[str, Any]) -> Iterator[Event]:
    """`workflow_started`, two for each node, `workflow_finished`; the run is kept then."""
    started = time.time()
    about = {
        "id": run["workflow_run_id"],
        "workflow_id": run["workflow_id"],
        "created_at": int(started),
    }
    yield _event(run, "workflow_started", about | {"inputs": run["inputs"]})
    outputs: dict[str, Any] = {}
    error, steps = None, 0
    for step in workflow.run(run["graph"], run["inputs"]):
        steps += 1
        node = {
            "id": str(uuid.uuid4()),
            "node_id": step.node,
            "node_type": step.kind,
            "title": step.title,
            "index": steps,
            "created_at": int(time.time()),
        }
        error = step.error
        outputs = step.outputs if step.kind == "end" else outputs
        status = "failed" if error else "succeeded"
        yield _event(run, "node_started", node)
        yield _event(
            run, "node_finished", node | {"status": status, "outputs": step.outputs, "error": error}
        )
    result = about | {
        "status": "failed" if error else "succeeded",
        "outputs": outputs,
        "error": error,
        "elapsed_time": time.time() - started,
        "total_tokens": 0,
        "total_steps": steps,
        "finished_at": int(time.time()),
    }
    _keep(run, result)
    yield _event(run, "workflow_finished", result)


def _event(run: dict[str, Any], name: str, data: dict[str, Any]) -> Event:
    return {
        "event": name,
        "task_id": run["task_id"],
        "workflow_run_id": run["workflow_run_id"],
        "data": data,
    }


def _keep(run: dict[str, Any], result: dict[str, Any]) -> None:
    with database() as cursor:
        cursor.execute(
            "INSERT INTO workflow_runs (id, app_id, workflow_id, status, inputs, outputs, error,"
            " elapsed_time) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                run["workflow_run_id"],
                run["app_id"],
                run["workflow_id"],
                result["status"],
                json.dumps(run["inputs"]),
                json.dumps(result["outputs"]),
                result["error"],
                result["elapsed_time"],
            ),
        )
