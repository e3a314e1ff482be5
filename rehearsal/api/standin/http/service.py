"""The API that apps are used with: by key, blocking or streamed."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from flask import Blueprint, Response, request

from standin import runs
from standin.http.errors import ApiError, unauthorized
from standin.http.files import keep
from standin.jobs import run_workflow
from standin.settings import RELEASE, STREAM_QUEUE, STREAMS_FROM_WORKER, text
from standin.state import database, event_bus

routes = Blueprint("service", __name__, url_prefix="/v1")
PING_S = 10


@routes.get("/")
def about() -> dict[str, str]:
    return {"welcome": "Dify OpenAPI", "api_version": "v1", "server_version": RELEASE}


@routes.post("/files/upload")
def upload() -> tuple[dict[str, Any], int]:
    return keep(_app()["tenant_id"], None), 201


@routes.post("/workflows/run")
def run() -> Response | dict[str, Any]:
    app = _app()
    given = request.get_json()
    if not isinstance(given.get("inputs"), dict) or not given.get("user"):
        raise ApiError(400, "invalid_param", "inputs and user are required.")
    try:
        started = runs.new(str(app["id"]), given["inputs"], given["user"])
    except LookupError as error:
        raise ApiError(400, "app_unavailable", str(error)) from error
    if given.get("response_mode") == "streaming":
        events = _from_worker(started) if STREAMS_FROM_WORKER else runs.events(started)
        return Response(_lines(events), mimetype="text/event-stream")
    last = list(runs.events(started))[-1]
    return {key: last[key] for key in ("task_id", "workflow_run_id", "data")}


def _app() -> dict[str, Any]:
    """The app whose key was sent."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("Authorization header must be provided and start with 'Bearer'")
    with database() as cursor:
        cursor.execute(
            "UPDATE api_tokens t SET last_used_at = now() FROM apps a"
            " WHERE t.token = %s AND a.id = t.app_id RETURNING a.id, a.tenant_id",
            (token,),
        )
        row = cursor.fetchone()
    if row is None:
        raise unauthorized("Access token is invalid")
    return row


def _from_worker(started: dict[str, Any]) -> Iterator[runs.Event | None]:
    """Events the worker publishes; None when it is silent. Listens before it asks."""
    ends = time.monotonic() + int(text("APP_MAX_EXECUTION_TIME", "1200"))
    with closing(event_bus().pubsub(ignore_subscribe_messages=True)) as bus:
        bus.subscribe(runs.channel(started))
        run_workflow.apply_async((json.dumps(started),), queue=STREAM_QUEUE)
        yield None
        while time.monotonic() < ends:
            message = _next(bus)
            event = json.loads(message["data"]) if message else None
            yield event
            if event and event["event"] == "workflow_finished":
                return


def _next(bus: Any) -> dict[str, Any] | None:
    """The next message within PING_S; notes of the subscription itself are none."""
    until = time.monotonic() + PING_S
    while (left := until - time.monotonic()) > 0:
        if message := bus.get_message(timeout=left):
            return message
    return None


def _lines(events: Iterator[runs.Event | None]) -> Iterator[str]:
    for event in events:
        yield f"data: {json.dumps(event)}\n\n" if event else "event: ping\n\n"
