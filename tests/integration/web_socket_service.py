"""A service of web sockets that answers each packet, for a container: run by `python3 -c` there.

The stand-in of Dify's API gives Socket.IO's first answer only.
"""

import base64
import hashlib
import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, for every server
FINAL_TEXT, CLOSE, MASKED = 0x81, 0x8, 0x80


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") != "websocket":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        given = self.headers["Sec-WebSocket-Key"].encode()
        accept = hashlib.sha1(given + KEY, usedforsecurity=False).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        self.say(b'0{"sid":"one"}')
        while packet := self.heard():
            self.say(b"3" + packet[1:])

    def say(self, packet: bytes) -> None:
        self.wfile.write(bytes([FINAL_TEXT, len(packet)]) + packet)

    def heard(self) -> bytes:
        """One short frame; empty at the end."""
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 0xF == CLOSE:
            return b""
        mask, content = self.rfile.read(4), self.rfile.read(head[1] & ~MASKED)
        return bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer(("", 5001), Handler).serve_forever()
