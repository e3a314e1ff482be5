"""Workflow apps: made and published in the console, run with an API key."""

import json
import secrets
import time
import uuid
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from dify import jobs, workflow
from dify.auth import app_of_token, error, signed_in
from dify.settings import EVENTS_QUEUE, MODERN
from dify.state import cache, database

routes = Blueprint("apps", __name__)
STREAM_S, PING_S = 120, 10


@routes.get("/console/api/apps")
@signed_in
def apps() -> Any:
    with database() as cursor:
        cursor.execute("SELECT id, name, mode FROM apps ORDER BY name")
        rows = cursor.fetchall()
    return jsonify(data=rows, has_more=False, limit=100, total=len(rows), page=1)


@routes.post("/console/api/apps")
@signed_in
def create() -> Any:
    body = request.get_json()
    with database() as cursor:
        cursor.execute(
            "INSERT INTO apps (tenant_id, name, mode) VALUES (%s, %s, %s) RETURNING id, name, mode",
            (g.tenant, body["name"], body["mode"]),
        )
        return jsonify(cursor.fetchone()), 201


@routes.delete("/console/api/apps/<uuid:app>")
@signed_in
def delete(app: uuid.UUID) -> Any:
    with database() as cursor:
        cursor.execute("DELETE FROM apps WHERE id = %s", (app,))
        if cursor.rowcount == 0:
            return error(404, "not_found", "App not found.")
    jobs.delete_app.apply_async((str(app),), queue="app_deletion" if MODERN else "dataset")
    return "", 204


@routes.post("/console/api/apps/<uuid:app>/workflows/draft")
@signed_in
def draft(app: uuid.UUID) -> Any:
    body = request.get_json()
    with database() as cursor:
        cursor.execute("DELETE FROM workflows WHERE app_id = %s AND version = 'draft'", (app,))
        cursor.execute(
            "INSERT INTO workflows (app_id, version, graph, features) VALUES (%s, 'draft', %s, %s)",
            (app, json.dumps(body["graph"]), json.dumps(body.get("features", {}))),
        )
    return jsonify(result="success", hash=uuid.uuid4().hex, updated_at=int(time.time()))


@routes.post("/console/api/apps/<uuid:app>/workflows/publish")
@signed_in
def publish(app: uuid.UUID) -> Any:
    with database() as cursor:
        cursor.execute(
            "INSERT INTO workflows (app_id, version, graph, features)"
            " SELECT app_id, now()::text, graph, features FROM workflows"
            " WHERE app_id = %s AND version = 'draft'", (app,),
        )  # fmt: skip
        if cursor.rowcount == 0:
            return error(400, "draft_workflow_not_exist", "Draft workflow need to be initialized.")
    return jsonify(result="success", created_at=int(time.time()))


@routes.post("/console/api/apps/<uuid:app>/api-keys")
@signed_in
def api_key(app: uuid.UUID) -> Any:
    token = "app-" + secrets.token_urlsafe(18)
    with database() as cursor:
        cursor.execute(
            "INSERT INTO api_tokens (app_id, token) VALUES (%s, %s) RETURNING id", (app, token)
        )
        return jsonify(id=cursor.fetchone()["id"], type="app", token=token), 201


@routes.post("/v1/workflows/run")
def run() -> Any:
    app = app_of_token()
    if app is None:
        return error(401, "unauthorized", "Access token is invalid")
    body = request.get_json()
    with database() as cursor:
        cursor.execute(
            "SELECT id, graph FROM workflows WHERE app_id = %s AND version <> 'draft'"
            " ORDER BY version DESC LIMIT 1", (app,),
        )  # fmt: skip
        found = cursor.fetchone()
    if found is None:
        return error(400, "app_unavailable", "Workflow not published")
    run_id, inputs = str(uuid.uuid4()), body.get("inputs", {})
    if body["response_mode"] == "streaming":
        events = _from_worker(run_id, found["graph"], inputs)
        return Response(_stream(app, run_id, events), mimetype="text/event-stream")
    *_, (_, result) = workflow.run(found["graph"], inputs)
    _note(app, run_id, inputs, result)
    data = {"id": run_id, "workflow_id": found["id"], **result}
    return jsonify(task_id=run_id, workflow_run_id=run_id, data=data)


def _from_worker(run: str, graph: Any, inputs: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events of a run: 1.x has the worker run it and listens on Redis; 0.6 runs it here."""
    if not MODERN:
        yield from workflow.run(graph, inputs)
        return
    listener = cache().pubsub()
    listener.subscribe(f"workflow:{run}")
    listener.get_message(timeout=5)
    jobs.run_workflow.apply_async((run, graph, inputs), queue=EVENTS_QUEUE)
    deadline, quiet = time.monotonic() + STREAM_S, time.monotonic()
    while time.monotonic() < deadline:
        message = listener.get_message(ignore_subscribe_messages=True, timeout=1)
        if message is None:
            if time.monotonic() - quiet > PING_S:
                quiet = time.monotonic()
                yield "ping", {}
            continue
        told = json.loads(message["data"])
        yield told["event"], told["data"]
        if told["event"] == "workflow_finished":
            listener.close()
            return


def _stream(app: str, run: str, events: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    yield _event(run, "workflow_started", {"id": run})
    for event, data in events:
        if event == "ping":
            yield "event: ping\n\n"
            continue
        if event == "workflow_finished":
            _note(app, run, {}, data)
        yield _event(run, event, {"id": run, **data})


def _event(run: str, event: str, data: dict[str, Any]) -> str:
    told = {"event": event, "task_id": run, "workflow_run_id": run, "data": data}
    return f"data: {json.dumps(told)}\n\n"


def _note(app: str, run: str, inputs: Any, result: dict[str, Any]) -> None:
    with database() as cursor:
        cursor.execute(
            "INSERT INTO workflow_runs (id, app_id, status, inputs, outputs) VALUES (%s, %s, %s, %s, %s)",
            (run, app, result["status"], json.dumps(inputs), json.dumps(result["outputs"])),
        )
