"""The Flask application: Dify's addresses, a thin truth behind each."""

import logging
import secrets

from flask import Flask, Response

from standin import storage
from standin.http import (
    accounts,
    apps,
    datasets,
    errors,
    files,
    plugins,
    service,
    status,
    websocket,
)
from standin.settings import (
    DATABASE,
    REDIS,
    RELEASE,
    SECRET_KEY_IS_GENERATED,
    https,
    require,
    text,
)

PARTS = (accounts, apps, datasets, files, plugins, service, status)


def create() -> Flask:
    logging.basicConfig(level=text("LOG_LEVEL", "INFO").upper())
    require(*DATABASE, *REDIS)
    storage.prepare()
    app = Flask("standin")
    app.json.sort_keys = False
    app.secret_key = _secret_key()
    app.config.update(SESSION_COOKIE_SECURE=https(), SESSION_COOKIE_SAMESITE="Lax")
    errors.register(app)
    for part in PARTS:
        app.register_blueprint(part.routes)
    if "websocket" in text("SERVER_WORKER_CLASS").lower():
        app.register_blueprint(websocket.routes)
    app.after_request(_say_version)
    return app


def _say_version(answer: Response) -> Response:
    answer.headers["X-Version"] = RELEASE
    answer.headers["X-Env"] = text("DEPLOY_ENV", "PRODUCTION")
    answer.headers["X-Rehearsal"] = "true"
    return answer


def _secret_key() -> str:
    """SECRET_KEY; since 1.14 an empty one is made up once and kept in storage."""
    if text("SECRET_KEY") or not SECRET_KEY_IS_GENERATED:
        return text("SECRET_KEY")
    if not storage.exists(".dify_secret_key"):
        storage.write(".dify_secret_key", secrets.token_urlsafe(42).encode())
    return storage.read(".dify_secret_key").decode()
