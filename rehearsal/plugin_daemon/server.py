"""Answers that no plugin is installed, to whoever has the key, from its own database."""

import json
import os
import re
import signal
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

NEEDED = ("SERVER_KEY", "DIFY_INNER_API_KEY", "DIFY_INNER_API_URL", "DB_HOST", "DB_PORT",
          "DB_USERNAME", "DB_PASSWORD", "REDIS_HOST", "REDIS_PORT", "PLUGIN_WORKING_PATH")  # fmt: skip
MODELS = re.compile(r"^/plugin/(?P<tenant>[0-9a-f-]{36})/management/models$")
TABLE = """
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE TABLE IF NOT EXISTS ai_model_installations (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), tenant_id uuid NOT NULL,
    provider text NOT NULL, created_at timestamp NOT NULL DEFAULT now());
"""


def query(statement: str, *values: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(
        host=os.environ["DB_HOST"],
        port=os.environ["DB_PORT"],
        user=os.environ["DB_USERNAME"],
        password=os.environ["DB_PASSWORD"],
        dbname=os.environ.get("DB_DATABASE") or "dify_plugin",
        sslmode=os.environ.get("DB_SSL_MODE") or "disable",
        connect_timeout=5,
    )
    with closing(connection), connection, connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/health/check":
            release = os.environ.get("RELEASE", "")
            self._answer(200, {"status": "ok", "version": f"rehearsal-{release}",
                               "active_requests": 0, "pool_status": {}})  # fmt: skip
        elif path.startswith("/e/"):
            self._answer(404, {"error": "endpoint not found"})
        elif self.headers.get("X-Api-Key") != os.environ["SERVER_KEY"]:
            self._answer(401, {"code": -401, "message": "unauthorized", "data": None})
        elif found := MODELS.match(path):
            self._models(found["tenant"])
        else:
            self._answer(404, {"code": -404, "message": "not found", "data": None})

    do_POST = do_GET  # noqa: N815

    def _models(self, tenant: str) -> None:
        try:
            rows = query("SELECT provider FROM ai_model_installations WHERE tenant_id = %s", tenant)
        except psycopg2.Error as error:
            self._answer(500, {"code": -500, "message": str(error), "data": None})
            return
        data = [{"provider": provider} for (provider,) in rows]
        self._answer(200, {"code": 0, "message": "success", "data": data})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def prepare() -> None:
    """As the daemon at boot: ends the process if a setting, the database or the folder is wrong."""
    if missing := [key for key in NEEDED if not os.environ.get(key)]:
        sys.exit(f"panic: required keys are missing: {', '.join(missing)}")
    try:
        query(TABLE)
        Path(os.environ["PLUGIN_WORKING_PATH"]).mkdir(parents=True, exist_ok=True)
    except (psycopg2.Error, OSError) as error:
        sys.exit(f"panic: {error}")


class Server(ThreadingHTTPServer):
    request_queue_size = 4096  # as Go has it; Python's five let the kernel drop connections


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    port = int(os.environ.get("SERVER_PORT") or "5002")
    print(f"ready on port {port}")
    Server(("", port), Handler).serve_forever()
