"""What is asked without an account: alive, version, features."""

import os

from flask import Blueprint, request

from standin.settings import RELEASE
from standin.state import database

routes = Blueprint("status", __name__)


@routes.get("/health")
def health() -> dict[str, object]:
    """Says that the process lives, and no more."""
    return {"pid": os.getpid(), "status": "ok", "version": RELEASE}


@routes.get("/console/api/ping")
def ping() -> dict[str, str]:
    return {"result": "pong"}


@routes.get("/console/api/version")
def version() -> dict[str, object]:
    return {
        "version": request.args.get("current_version", RELEASE),
        "release_date": "",
        "release_notes": "",
        "can_auto_update": False,
        "features": {"can_replace_logo": False, "model_load_balancing_enabled": False},
    }


@routes.get("/console/api/system-features")
def system_features() -> dict[str, object]:
    with database() as cursor:
        cursor.execute("SELECT count(*) FROM tenants")
    return {
        "enable_marketplace": False,
        "enable_email_password_login": True,
        "is_allow_register": False,
        "is_allow_create_workspace": False,
        "license": {"status": "none", "expired_at": ""},
    }
