"""The first account, and signing in."""

import base64
import binascii
from typing import Any

from flask import Blueprint, Response, request, session
from werkzeug.security import check_password_hash, generate_password_hash

from standin import tenants
from standin.http.errors import ApiError, unauthorized
from standin.http.session import log_in, signed_in
from standin.settings import BASE64_PASSWORD, RELEASE, text
from standin.state import database

routes = Blueprint("accounts", __name__, url_prefix="/console/api")


def _setup_at() -> str | None:
    with database() as cursor:
        cursor.execute("SELECT setup_at FROM dify_setups")
        row = cursor.fetchone()
    return row["setup_at"].isoformat() if row else None


def _may_set_up() -> bool:
    return not text("INIT_PASSWORD") or bool(session.get("is_init_validated"))


@routes.get("/init")
def init_status() -> dict[str, str]:
    done = _may_set_up() or _setup_at()
    return {"status": "finished" if done else "not_started"}


@routes.post("/init")
def init() -> tuple[dict[str, str], int]:
    if _setup_at():
        raise ApiError(403, "already_setup", "Dify has been successfully installed.")
    if request.get_json().get("password") != text("INIT_PASSWORD"):
        session["is_init_validated"] = False
        raise unauthorized(
            "Init validation failed. Please check the password.", "init_validate_failed"
        )
    session["is_init_validated"] = True
    return {"result": "success"}, 201


@routes.get("/setup")
def setup_status() -> dict[str, str]:
    at = _setup_at()
    return {"step": "finished", "setup_at": at} if at else {"step": "not_started"}


@routes.post("/setup")
def setup() -> tuple[dict[str, str], int]:
    """Account, tenant and key pair, or none of them."""
    if _setup_at():
        raise ApiError(403, "already_setup", "Dify has been successfully installed.")
    if not _may_set_up():
        raise unauthorized("Init validation has not been completed yet.", "not_init_validated")
    given = request.get_json()
    _check(given)
    with database() as cursor:
        cursor.execute(
            "INSERT INTO accounts (email, name, password, interface_language)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            (
                given["email"],
                given["name"],
                generate_password_hash(given["password"], "pbkdf2:sha256:10000"),
                given.get("language") or "en-US",
            ),
        )
        account = cursor.fetchone()["id"]
        tenants.create(cursor, f"{given['name']}'s Workspace", account)
        cursor.execute("INSERT INTO dify_setups (version) VALUES (%s)", (RELEASE,))
    return {"result": "success"}, 201


def _check(given: dict[str, Any]) -> None:
    missing = [key for key in ("email", "name", "password") if not given.get(key)]
    if missing:
        raise ApiError(400, "invalid_param", f"Missing required parameter: {', '.join(missing)}")
    password = given["password"]
    if len(password) < 8 or password.isalpha() or not any(c.isalpha() for c in password):
        raise ApiError(
            400,
            "invalid_param",
            "Password must contain letters and numbers, and the length must be greater than 8.",
        )


@routes.post("/login")
def login() -> Response:
    if not _setup_at():
        raise unauthorized("Dify has not been initialized and installed yet.", "not_setup")
    given = request.get_json()
    password = _decoded(given["password"]) if BASE64_PASSWORD else given["password"]
    with database() as cursor:
        cursor.execute("SELECT id, password FROM accounts WHERE email = %s", (given["email"],))
        row = cursor.fetchone()
    if row is None or not check_password_hash(row["password"], password):
        raise unauthorized("Invalid email or password.", "authentication_failed")
    return log_in(str(row["id"]))


def _decoded(password: str) -> str:
    try:
        return base64.b64decode(password, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise unauthorized("Invalid encrypted data", "authentication_failed") from None


@routes.get("/account/profile")
def profile() -> dict[str, Any]:
    account = signed_in()
    return {
        "id": account.id,
        "name": account.name,
        "email": account.email,
        "avatar": None,
        "is_password_set": True,
        "interface_language": account.language,
        "interface_theme": "light",
        "timezone": "UTC",
    }
