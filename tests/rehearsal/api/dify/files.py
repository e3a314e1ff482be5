"""Uploads: a row in PostgreSQL and a file in storage."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from dify.auth import app_of_token, error, signed_in
from dify.settings import UPLOAD_LIMIT
from dify.state import database, put, storage

routes = Blueprint("files", __name__)


@routes.post("/console/api/files/upload")
@signed_in
def upload() -> Any:
    return _take(g.tenant)


@routes.post("/v1/files/upload")
def upload_for_app() -> Any:
    if app_of_token() is None:
        return error(401, "unauthorized", "Access token is invalid")
    with database() as cursor:
        cursor.execute("SELECT id FROM tenants LIMIT 1")
        return _take(cursor.fetchone()["id"])


@routes.get("/console/api/files/<uuid:file>/preview")
@signed_in
def preview(file: uuid.UUID) -> Any:
    with database() as cursor:
        cursor.execute("SELECT key FROM upload_files WHERE id = %s", (file,))
        row = cursor.fetchone()
    if row is None:
        return error(404, "not_found", "File not found")
    text = (storage() / row["key"]).read_text(errors="replace")
    return jsonify(content=text[:3000])


def _take(tenant: uuid.UUID) -> tuple[Response, int]:
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return error(400, "no_file_uploaded", "Please upload your file.")
    content = sent.read()
    if len(content) > UPLOAD_LIMIT:
        return error(413, "file_too_large", "File size exceeded.")
    extension = Path(sent.filename).suffix.lstrip(".")
    key = f"upload_files/{tenant}/{uuid.uuid4()}.{extension}"
    put(key, content)
    with database() as cursor:
        cursor.execute(
            "INSERT INTO upload_files (tenant_id, key, name, size, extension, mime_type, hash)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
            (tenant, key, sent.filename, len(content), extension, sent.mimetype,
             hashlib.sha3_256(content).hexdigest()),
        )  # fmt: skip
        file = cursor.fetchone()["id"]
    return jsonify(id=file, name=sent.filename, size=len(content), extension=extension,
                   mime_type=sent.mimetype), 201  # fmt: skip
