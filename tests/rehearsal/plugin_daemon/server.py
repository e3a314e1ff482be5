"""The plugin daemon: its own database, its own storage, the key it shares with the API."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg2

NEEDED = ("SERVER_KEY", "DIFY_INNER_API_URL", "DIFY_INNER_API_KEY", "DB_HOST", "DB_PORT", "DB_USERNAME",
          "DB_PASSWORD", "DB_DATABASE", "REDIS_HOST")  # fmt: skip


def prepare() -> None:
    """Check the environment, migrate the database, try the storage; exit 1 otherwise."""
    missing = [key for key in NEEDED if not os.environ.get(key)]
    if missing:
        sys.exit(f"panic: required key {missing[0]} missing value")
    connection = psycopg2.connect(
        host=os.environ["DB_HOST"], port=os.environ["DB_PORT"], user=os.environ["DB_USERNAME"],
        password=os.environ["DB_PASSWORD"], dbname=os.environ["DB_DATABASE"], connect_timeout=5,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"')
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS plugins (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text)"
        )
    connection.close()
    Path("/app/storage/cwd").mkdir(parents=True, exist_ok=True)


class Daemon(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/health/check":
            self.answer(200, {"status": "ok", "version": "rehearsal", "active_requests": 0})
        elif self.headers.get("X-Api-Key") != os.environ["SERVER_KEY"]:
            self.answer(401, {"code": -401, "message": "unauthorized"})
        else:
            self.answer(200, {"code": 0, "message": "success", "data": []})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


prepare()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("SERVER_PORT", "5002"))), Daemon).serve_forever()
