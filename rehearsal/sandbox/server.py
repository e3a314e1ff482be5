"""Runs code sent to it in a process of its own, as nobody. Without Dify's seccomp filter.

It takes the way of Dify's: root unpacks a program at the start, writes each script, gives it to
the other user, starts it as root, and only inside it locks itself in and becomes that user.
"""

import json
import os
import signal
import subprocess
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIG = Path("/conf/config.yaml")
NOBODY = 65534
KEY = os.environ.get("API_KEY", "dify-sandbox")
SCRIPTS, UNPACKED = Path("/var/sandbox/sandbox-python/tmp"), Path("/opt/node")
PREPARE = """
import os, sys
script = open(sys.argv[1]).read()
os.chroot("/"), os.setgroups([]), os.setgid({user}), os.setuid({user})
exec(script, {{"__name__": "__main__"}})
"""
TIMEOUT_S = int(os.environ.get("WORKER_TIMEOUT", "15"))


def run(given: dict[str, Any]) -> dict[str, Any]:
    """What the service answers for the code: its output and its error."""
    if given.get("language") != "python3":
        return {"code": -400, "message": "unsupported language", "data": None}
    proxies = {key: os.environ[key] for key in ("HTTP_PROXY", "HTTPS_PROXY") if key in os.environ}
    script = SCRIPTS / f"{uuid.uuid4().hex}.py"
    script.write_text(f"{given.get('preload') or ''}\n{given['code']}")
    script.chmod(0o600)
    os.chown(script, NOBODY, NOBODY)
    try:
        done = subprocess.run(
            ["python3", "-I", "-c", PREPARE.format(user=NOBODY), script],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            cwd="/tmp",
            env=proxies | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _ran("", "error: timeout")
    finally:
        script.unlink()
    return _ran(done.stdout, done.stderr if done.returncode else "")


def _ran(output: str, error: str) -> dict[str, Any]:
    return {"code": 0, "message": "success", "data": {"stdout": output, "error": error}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        known = self.path == "/health"
        self._answer(200 if known else 404, "ok" if known else "404 page not found")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/v1/sandbox/run":
            self._answer(404, "404 page not found")
        elif self.headers.get("X-Api-Key") != KEY:
            self._answer(401, {"code": -401, "message": "Unauthorized", "data": None})
        else:
            self._answer(200, run(json.loads(body)))

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if not CONFIG.is_file():
        sys.exit(f"panic: open {str(CONFIG).lstrip('/')}: no such file or directory")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    UNPACKED.mkdir(exist_ok=True)
    os.chown(UNPACKED, 500, 500)  # as the archive says
    port = int(os.environ.get("SANDBOX_PORT") or "8194")
    print(f"ready on port {port}")
    ThreadingHTTPServer(("", port), Handler).serve_forever()
