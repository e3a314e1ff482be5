"""The agent sandbox's stand-in: programs of callers with the token run; files stay from 1.17 on."""

import json
import os
import re
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RELEASE = os.environ.get("RELEASE", "")
KEEPS_FILES = tuple(map(int, re.findall(r"\d+", RELEASE))) >= (1, 17)
FOLDERS = (Path("/home/dify"), Path("/workspace"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        else:
            self._answer(404, {"error": "not found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {os.environ['SHELLCTL_AUTH_TOKEN']}":
            self._answer(401, {"error": "unauthorized"})
            return
        words: list[str] = json.loads(body)["words"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        self._answer(200, {"code": done.returncode, "out": done.stdout, "err": done.stderr})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def prepare() -> None:
    """Ends the process without a token, or where agents' files cannot be kept."""
    if not os.environ.get("SHELLCTL_AUTH_TOKEN"):
        sys.exit("SHELLCTL_AUTH_TOKEN is not set")
    for folder in FOLDERS if KEEPS_FILES else ():
        if not os.access(folder, os.W_OK):
            sys.exit(f"{folder} cannot be written")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    ThreadingHTTPServer(("", 5004), Handler).serve_forever()
