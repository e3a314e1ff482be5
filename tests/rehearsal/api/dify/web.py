"""The API process: health, setup, login, and the routes of the other modules."""

import json
import os
import re
import urllib.error
import urllib.request
import uuid
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, g, jsonify, request, session
from flask.json.provider import DefaultJSONProvider
from werkzeug.security import check_password_hash, generate_password_hash

from dify import apps, files, knowledge
from dify.auth import clear_password, error, open_session, signed_in
from dify.settings import INIT_PASSWORD, MODERN, RELEASE, SECRET_KEY
from dify.state import database, put

app = Flask(__name__)
app.secret_key = SECRET_KEY
app.json = DefaultJSONProvider(app)
for module in (apps, files, knowledge):
    app.register_blueprint(module.routes)


@app.after_request
def version_header(response: Any) -> Any:
    response.headers["X-Version"] = RELEASE
    return response


@app.errorhandler(Exception)
def trouble(problem: Exception) -> Any:
    app.logger.exception("request failed")
    return error(500, "internal_server_error", f"{type(problem).__name__}: {problem}")


@app.get("/health")
def health() -> Any:
    return jsonify(pid=os.getpid(), status="ok", version=RELEASE)


@app.get("/console/api/ping")
def ping() -> Any:
    return jsonify(result="pong")


@app.get("/console/api/version")
def version() -> Any:
    return jsonify(version=RELEASE, release_date="", release_notes="", can_auto_update=False)


@app.get("/console/api/system-features")
def features() -> Any:
    with database() as cursor:
        cursor.execute("SELECT 1")
    return jsonify(enable_marketplace=False, sso_enforced_for_signin=False, rehearsal=True)


@app.get("/socket.io/")
def websocket() -> Any:
    if request.args.get("transport") != "polling":
        return error(400, "bad_request", "only polling is rehearsed")
    opened = {
        "sid": uuid.uuid4().hex[:20],
        "upgrades": [],
        "pingInterval": 25000,
        "pingTimeout": 20000,
    }
    return "0" + json.dumps(opened), 200, {"Content-Type": "text/plain"}


def _setup_at() -> Any:
    with database() as cursor:
        cursor.execute("SELECT setup_at FROM dify_setups")
        return cursor.fetchone()


@app.get("/console/api/setup")
def setup_status() -> Any:
    row = _setup_at()
    if row is None:
        return jsonify(step="not_started")
    return jsonify(step="finished", setup_at=row["setup_at"].isoformat())


@app.get("/console/api/init")
def init_status() -> Any:
    passed = not INIT_PASSWORD or session.get("is_init_validated") or _setup_at()
    return jsonify(status="finished" if passed else "not_started")


@app.post("/console/api/init")
def init() -> Any:
    if _setup_at():
        return error(403, "already_setup", "Dify has been successfully installed.")
    if request.get_json()["password"] != INIT_PASSWORD:
        return error(401, "init_validate_failed", "Init validation failed.")
    session["is_init_validated"] = True
    return jsonify(result="success"), 201


@app.post("/console/api/setup")
def setup() -> Any:
    if _setup_at():
        return error(403, "already_setup", "Dify has been successfully installed.")
    if INIT_PASSWORD and not session.get("is_init_validated"):
        return error(401, "not_init_validated", "Init validation has not been completed yet.")
    body = request.get_json()
    password = body["password"]
    if not re.fullmatch(r"(?=.*[A-Za-z])(?=.*\d).{8,}", password):
        return error(400, "invalid_param", "Password must contain letters and numbers.")
    tenant = uuid.uuid4()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # Files first: where storage cannot be written nothing is left behind.
    put(f"privkeys/{tenant}/private.pem", key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ))  # fmt: skip
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with database() as cursor:
        cursor.execute("INSERT INTO tenants (id, name, encrypt_public_key) VALUES (%s, %s, %s)",
                       (tenant, f"{body['name']}'s Workspace", public.decode()))  # fmt: skip
        cursor.execute(
            "INSERT INTO accounts (email, name, password) VALUES (%s, %s, %s)",
            (body["email"], body["name"], generate_password_hash(password, "pbkdf2:sha256:10000")),
        )
        cursor.execute("INSERT INTO dify_setups (version) VALUES (%s)", (RELEASE,))
    return jsonify(result="success"), 201


@app.post("/console/api/login")
def login() -> Any:
    body = request.get_json()
    password = clear_password(body["password"])
    if password is None:
        return error(401, "authentication_failed", "Invalid encrypted data")
    with database() as cursor:
        cursor.execute("SELECT id, password FROM accounts WHERE email = %s", (body["email"],))
        row = cursor.fetchone()
    if row is None or not check_password_hash(row["password"], password):
        return error(401, "authentication_failed", "Invalid email or password.")
    return open_session(str(row["id"]))


@app.get("/console/api/account/profile")
@signed_in
def profile() -> Any:
    return jsonify(g.account)


@app.get("/console/api/workspaces/current/model-providers")
@signed_in
def model_providers() -> Any:
    if not MODERN:
        return jsonify(data=[])
    url = os.environ.get("PLUGIN_DAEMON_URL", "") + f"/plugin/{g.tenant}/management/models"
    asked = urllib.request.Request(
        url, headers={"X-Api-Key": os.environ.get("PLUGIN_DAEMON_KEY", "")}
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return jsonify(data=json.load(answer)["data"])
    except (urllib.error.URLError, ValueError, KeyError):
        return error(400, "invalid_request", "Failed to request plugin daemon")
