"""The console's addresses, each answered with one page that says it is a rehearsal."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = {"/apps", "/datasets", "/explore", "/install", "/init", "/plugins", "/signin", "/tools"}
# A file of this release's pages alone.
ASSET = f"/_next/static/{os.environ.get('RELEASE', '')}.js"
PAGE = (
    Path(__file__)
    .with_name("page.html")
    .read_text()
    .replace("{{ release }}", os.environ.get("RELEASE", ""))
    .encode()
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/") or "/"
        if path == "/":
            self._answer(307, b"", Location="/apps")
        elif path == ASSET:
            self._answer(200, b"")
        elif path in PAGES:
            self._answer(200, PAGE)
        else:
            self._answer(404, PAGE)

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    request_queue_size = 511  # as Node.js has it; Python's five let the kernel drop connections


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "3000"))
    print(f"ready on port {port}")
    Server(("", port), Handler).serve_forever()
