"""Who is asking: sessions by cookie and CSRF header (1.x) or bearer token (0.6)."""

import base64
import binascii
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g, jsonify, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from dify.settings import MODERN, SECRET_KEY, SECURE
from dify.state import cache, database

HOUR, MONTH = 3600, 30 * 24 * 3600
signer = URLSafeTimedSerializer(SECRET_KEY, salt="session")


def error(status: int, code: str, message: str) -> tuple[Response, int]:
    return jsonify(code=code, message=message, status=status), status


def cookie(name: str) -> str:
    return f"__Host-{name}" if SECURE else name


def clear_password(sent: str) -> str | None:
    """The password as typed; 1.x clients send it in base64."""
    if not MODERN:
        return sent
    try:
        return base64.b64decode(sent, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def open_session(account: str) -> Response:
    access, refresh = signer.dumps(account), uuid.uuid4().hex
    cache().setex(f"refresh_token:{refresh}", MONTH, account)
    if not MODERN:
        return jsonify(result="success", data=access)
    response = jsonify(result="success")
    for name, value, age in (
        ("access_token", access, HOUR), ("refresh_token", refresh, MONTH),
        ("csrf_token", uuid.uuid4().hex, HOUR),
    ):  # fmt: skip
        response.set_cookie(
            cookie(name),
            value,
            max_age=age,
            secure=SECURE,
            httponly=name != "csrf_token",
            samesite="Lax",
        )
    return response


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def checked(*args: Any, **options: Any) -> Any:
        token = _token()
        try:
            account = signer.loads(token, max_age=HOUR) if token else None
        except BadSignature:
            account = None
        if account is None:
            return error(401, "unauthorized", "Invalid token.")
        with database() as cursor:
            cursor.execute("SELECT id, email, name FROM accounts WHERE id = %s", (account,))
            g.account = cursor.fetchone()
            cursor.execute("SELECT id FROM tenants LIMIT 1")
            g.tenant = cursor.fetchone()["id"]
        return view(*args, **options)

    return checked


def _token() -> str | None:
    if not MODERN:
        return (request.headers.get("Authorization") or "").removeprefix("Bearer ")
    csrf = request.cookies.get(cookie("csrf_token"))
    if not csrf or request.headers.get("X-CSRF-Token") != csrf:
        return None
    return request.cookies.get(cookie("access_token"))


def app_of_token() -> str | None:
    """The app whose API key the request carries."""
    token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
    with database() as cursor:
        cursor.execute("SELECT app_id FROM api_tokens WHERE token = %s", (token,))
        row = cursor.fetchone()
    return str(row["app_id"]) if row else None
