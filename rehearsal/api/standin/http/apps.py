"""Apps, their workflows and their keys."""

import hashlib
import json
import secrets
import time
import uuid
from typing import Any

from flask import Blueprint, request

from standin.http.errors import ApiError, not_found
from standin.http.session import signed_in
from standin.jobs import delete_app
from standin.settings import DELETE_QUEUE
from standin.state import Cursor, database

routes = Blueprint("apps", __name__, url_prefix="/console/api/apps")
MODES = ("chat", "agent-chat", "advanced-chat", "workflow", "completion")


@routes.get("")
def listed() -> dict[str, Any]:
    account = signed_in()
    with database() as cursor:
        cursor.execute(
            "SELECT * FROM apps WHERE tenant_id = %s ORDER BY created_at DESC", (account.tenant,)
        )
        data = [_shown(row) for row in cursor.fetchall()]
    return {"page": 1, "limit": 20, "total": len(data), "has_more": False, "data": data}


@routes.post("")
def create() -> tuple[dict[str, Any], int]:
    account = signed_in()
    given = request.get_json()
    if given.get("mode") not in MODES or not given.get("name"):
        raise ApiError(400, "invalid_param", f"name is needed, and mode: one of {', '.join(MODES)}")
    with database() as cursor:
        cursor.execute(
            "INSERT INTO apps (tenant_id, name, mode, description) VALUES (%s, %s, %s, %s)"
            " RETURNING *",
            (account.tenant, given["name"], given["mode"], given.get("description", "")),
        )
        return _shown(cursor.fetchone()), 201


@routes.get("/<uuid:app>")
def shown(app: uuid.UUID) -> dict[str, Any]:
    with database() as cursor:
        return _shown(_own(cursor, app))


@routes.delete("/<uuid:app>")
def delete(app: uuid.UUID) -> tuple[str, int]:
    with database() as cursor:
        _own(cursor, app)
        cursor.execute("DELETE FROM apps WHERE id = %s", (str(app),))
    delete_app.apply_async((str(app),), queue=DELETE_QUEUE)
    return "", 204


@routes.get("/<uuid:app>/workflows/draft")
def draft(app: uuid.UUID) -> dict[str, Any]:
    with database() as cursor:
        _own(cursor, app)
        row = _draft(cursor, app)
    return {
        "id": str(row["id"]),
        "graph": json.loads(row["graph"]),
        "features": json.loads(row["features"]),
        "hash": _hash(row["graph"], row["features"]),
        "environment_variables": [],
        "conversation_variables": [],
    }


@routes.post("/<uuid:app>/workflows/draft")
def save_draft(app: uuid.UUID) -> dict[str, Any]:
    given = request.get_json()
    graph, features = json.dumps(given["graph"]), json.dumps(given.get("features") or {})
    with database() as cursor:
        _own(cursor, app)
        cursor.execute("DELETE FROM workflows WHERE app_id = %s AND version = 'draft'", (str(app),))
        cursor.execute(
            "INSERT INTO workflows (app_id, version, graph, features) VALUES (%s, 'draft', %s, %s)",
            (str(app), graph, features),
        )
    return {"result": "success", "hash": _hash(graph, features), "updated_at": int(time.time())}


@routes.post("/<uuid:app>/workflows/publish")
def publish(app: uuid.UUID) -> dict[str, Any]:
    with database() as cursor:
        _own(cursor, app)
        row = _draft(cursor, app)
        cursor.execute(
            "INSERT INTO workflows (app_id, version, graph, features)"
            " VALUES (%s, now()::text, %s, %s) RETURNING id",
            (str(app), row["graph"], row["features"]),
        )
        published = cursor.fetchone()["id"]
        cursor.execute("UPDATE apps SET workflow_id = %s WHERE id = %s", (published, str(app)))
    return {"result": "success", "created_at": int(time.time())}


@routes.post("/<uuid:app>/api-keys")
def create_key(app: uuid.UUID) -> tuple[dict[str, Any], int]:
    with database() as cursor:
        _own(cursor, app)
        cursor.execute(
            "INSERT INTO api_tokens (app_id, token) VALUES (%s, %s) RETURNING *",
            (str(app), f"app-{secrets.token_urlsafe(18)}"),
        )
        return _key(cursor.fetchone()), 201


@routes.get("/<uuid:app>/api-keys")
def keys(app: uuid.UUID) -> dict[str, Any]:
    with database() as cursor:
        _own(cursor, app)
        cursor.execute("SELECT * FROM api_tokens WHERE app_id = %s", (str(app),))
        return {"data": [_key(row) for row in cursor.fetchall()]}


def _own(cursor: Cursor, app: uuid.UUID) -> dict[str, Any]:
    """The app, if it is the asking account's."""
    account = signed_in()
    cursor.execute(
        "SELECT * FROM apps WHERE id = %s AND tenant_id = %s", (str(app), account.tenant)
    )
    row = cursor.fetchone()
    if row is None:
        raise not_found("App")
    return row


def _draft(cursor: Cursor, app: uuid.UUID) -> dict[str, Any]:
    cursor.execute("SELECT * FROM workflows WHERE app_id = %s AND version = 'draft'", (str(app),))
    row = cursor.fetchone()
    if row is None:
        raise ApiError(404, "draft_workflow_not_exist", "Draft workflow need to be initialized.")
    return row


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "mode": row["mode"],
        "description": row["description"],
        "enable_site": True,
        "enable_api": row["enable_api"],
        "created_at": int(row["created_at"].timestamp()),
    }


def _key(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "type": "app",
        "token": row["token"],
        "last_used_at": None,
        "created_at": int(row["created_at"].timestamp()),
    }


def _hash(graph: str, features: str) -> str:
    return hashlib.sha256((graph + features).encode()).hexdigest()
