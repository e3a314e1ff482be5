"""Socket.IO in the websocket service only: its first answer, web sockets that answer packets."""

import base64
import hashlib
import json
import secrets
import socket
from typing import BinaryIO

from flask import Blueprint, Response, request

from standin.http.errors import ApiError

routes = Blueprint("websocket", __name__)
KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, for every server
FINAL_TEXT, CLOSE, MASKED = 0x81, 0x8, 0x80


@routes.get("/socket.io/")
def handshake() -> Response:
    _require("polling")
    return Response(_opened(["websocket"]), mimetype="text/plain")


@routes.get("/socket.io/", websocket=True)
def web_socket() -> Response:
    """Nothing, once it has ended; its connection is of no other use then."""
    _require("websocket")
    connection: socket.socket = request.environ["gunicorn.socket"]
    given = request.headers["Sec-WebSocket-Key"] + KEY
    accept = base64.b64encode(hashlib.sha1(given.encode(), usedforsecurity=False).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    _say(connection, _opened([]).encode())
    with connection.makefile("rb") as frames:
        while packet := _heard(frames):
            _say(connection, b"3" + packet[1:])
    connection.shutdown(socket.SHUT_RDWR)
    return Response()


def _require(transport: str) -> None:
    if request.args.get("EIO") != "4" or request.args.get("transport") != transport:
        raise ApiError(400, "bad_request", f"Only EIO=4 over {transport} is answered.")


def _opened(upgrades: list[str]) -> str:
    opened = {
        "sid": secrets.token_urlsafe(15),
        "upgrades": upgrades,
        "pingTimeout": 20000,
        "pingInterval": 25000,
        "maxPayload": 1000000,
    }
    return "0" + json.dumps(opened, separators=(",", ":"))


def _say(connection: socket.socket, packet: bytes) -> None:
    connection.sendall(bytes([FINAL_TEXT, len(packet)]) + packet)


def _heard(frames: BinaryIO) -> bytes:
    """One short frame; empty at the end."""
    head = frames.read(2)
    if len(head) < 2 or head[0] & 0xF == CLOSE:
        return b""
    mask, content = frames.read(4), frames.read(head[1] & ~MASKED)
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
