"""Uploaded files."""

import hashlib
import mimetypes
import uuid
from pathlib import PurePath
from typing import Any

from flask import Blueprint, request

from standin import storage
from standin.http.errors import ApiError, not_found
from standin.http.session import signed_in
from standin.settings import text
from standin.state import database

routes = Blueprint("files", __name__, url_prefix="/console/api/files")
PREVIEW_CHARACTERS = 3000


@routes.post("/upload")
def upload() -> tuple[dict[str, Any], int]:
    account = signed_in()
    return keep(account.tenant, account.id), 201


@routes.get("/<uuid:file>/preview")
def preview(file: uuid.UUID) -> dict[str, str]:
    signed_in()
    with database() as cursor:
        cursor.execute("SELECT key FROM upload_files WHERE id = %s", (str(file),))
        row = cursor.fetchone()
    if row is None:
        raise not_found("File")
    return {"content": storage.read(row["key"]).decode(errors="replace")[:PREVIEW_CHARACTERS]}


def keep(tenant: str, owner: str | None) -> dict[str, Any]:
    """Store the request's `file`; its row as Dify shows it."""
    if "file" not in request.files:
        raise ApiError(400, "no_file_uploaded", "Please upload your file.")
    given = request.files["file"]
    content = given.read()
    if len(content) > int(text("UPLOAD_FILE_SIZE_LIMIT", "15")) * 1024 * 1024:
        raise ApiError(413, "file_too_large", "File size exceeded.")
    name = PurePath(given.filename or "file").name
    extension = PurePath(name).suffix.lstrip(".").lower()
    mime = given.mimetype or mimetypes.guess_type(name)[0]
    key = f"upload_files/{tenant}/{uuid.uuid4()}.{extension}"
    storage.write(key, content)
    with database() as cursor:
        cursor.execute(
            "INSERT INTO upload_files (tenant_id, key, name, size, extension, mime_type, hash,"
            " created_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id, created_at",
            (tenant, key, name, len(content), extension, mime,
             hashlib.sha3_256(content).hexdigest(), owner),
        )  # fmt: skip
        row = cursor.fetchone()
    return {
        "id": str(row["id"]),
        "name": name,
        "size": len(content),
        "extension": extension,
        "mime_type": mime,
        "created_by": owner,
        "created_at": int(row["created_at"].timestamp()),
    }
