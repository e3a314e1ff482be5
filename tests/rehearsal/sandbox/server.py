"""Runs Python code for workflows, as Dify's sandbox does; without its seccomp jail."""

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = Path("/conf/config.yaml")
KEY = os.environ.get("API_KEY", "")


class Runs(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, "ok") if self.path == "/health" else self.answer(404, "not found")

    def do_POST(self) -> None:
        if not KEY or self.headers.get("X-Api-Key") != KEY:
            self.answer(401, {"code": -401, "message": "Unauthorized", "data": None})
            return
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        try:
            done = subprocess.run(
                [sys.executable, "-c", asked["code"]], capture_output=True, text=True, timeout=15
            )
            data = {"stdout": done.stdout, "error": done.stderr}
        except subprocess.TimeoutExpired:
            data = {"stdout": "", "error": "timeout"}
        self.answer(200, {"code": 0, "message": "success", "data": data})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if not CONFIG.exists():
    sys.exit(f"panic: open {CONFIG}: no such file or directory")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("SANDBOX_PORT", "8194"))), Runs).serve_forever()
