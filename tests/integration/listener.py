"""A webhook that remembers what it was sent."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prefect.blocks.notifications import CustomWebhookNotificationBlock


@dataclass
class Listener:
    """Its port, and the messages so far."""

    port: int
    heard: list[dict[str, Any]] = field(default_factory=list)

    def block(self) -> CustomWebhookNotificationBlock:
        """What a Prefect server tells it with."""
        return CustomWebhookNotificationBlock(
            name="pager",
            url=f"http://127.0.0.1:{self.port}/",
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
        )


@contextmanager
def listening() -> Generator[Listener]:
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            heard.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Listener(server.server_port, heard)
    finally:
        server.shutdown()
        thread.join()
