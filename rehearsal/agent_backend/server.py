"""The agent backend's stand-in: callers with the token hear of no run, and its sandbox runs code."""

import base64
import binascii
import json
import os
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import redis

NEEDED = ("DIFY_AGENT_REDIS_URL", "DIFY_AGENT_PLUGIN_DAEMON_URL", "DIFY_AGENT_INNER_API_URL",
          "DIFY_AGENT_API_TOKEN", "DIFY_AGENT_SERVER_SECRET_KEY")  # fmt: skip
RELEASE = os.environ.get("RELEASE", "")
NEW_NAMES = tuple(map(int, re.findall(r"\d+", RELEASE))) >= (1, 17)
SANDBOX, TOKEN = (
    ("DIFY_AGENT_LOCAL_SANDBOX_ENDPOINT", "DIFY_AGENT_LOCAL_SANDBOX_AUTH_TOKEN")
    if NEW_NAMES
    else ("DIFY_AGENT_SHELLCTL_ENTRYPOINT", "DIFY_AGENT_SHELLCTL_AUTH_TOKEN")
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.path.startswith(("/runs", "/sandbox", "/agent-stub/")):
            self._answer(404, {"detail": "Not Found"})
        elif self.path.startswith("/agent-stub/"):
            self._answer(401, {"detail": "the token of a run is missing"})
        elif self.headers.get("Authorization") != f"Bearer {os.environ['DIFY_AGENT_API_TOKEN']}":
            self._answer(401, {"detail": "Unauthorized"})
        elif self.path.startswith("/sandbox"):
            self._answer(*in_sandbox(["id", "-u"]))
        else:
            self._answer(404, {"detail": "no such run"})

    do_POST = do_GET  # noqa: N815

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def in_sandbox(words: list[str]) -> tuple[int, dict[str, Any]]:
    request = Request(
        f"{os.environ[SANDBOX]}/v1/run",
        json.dumps({"words": words}).encode(),
        {"Authorization": f"Bearer {os.environ.get(TOKEN, '')}"},
    )
    try:
        with urlopen(request, timeout=10) as answer:
            return 200, json.load(answer)
    except (URLError, OSError) as error:
        return 502, {"detail": f"the sandbox does not answer: {error}"}


def prepare() -> None:
    """As the backend at boot: ends the process if a setting is missing, or the key is no key."""
    if missing := [key for key in (*NEEDED, SANDBOX) if not os.environ.get(key)]:
        sys.exit(f"ValidationError: required settings are missing: {', '.join(missing)}")
    key = os.environ["DIFY_AGENT_SERVER_SECRET_KEY"]
    try:
        size = len(base64.b64decode(f"{key}=", altchars="-_", validate=True))
    except binascii.Error:
        size = 0
    if size != 32:
        sys.exit("ValidationError: DIFY_AGENT_SERVER_SECRET_KEY: unpadded base64url of 32 bytes")
    redis.Redis.from_url(os.environ["DIFY_AGENT_REDIS_URL"]).ping()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    ThreadingHTTPServer(("", 5050), Handler).serve_forever()
