"""A front of PostgreSQL, as managed ones have it, that lets in by TLS alone."""

import socket
import ssl
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.certificates import Signed, sign

ASKED_FOR_TLS = struct.pack("!ii", 8, 80877103)
REFUSAL = b'no pg_hba.conf entry for host "127.0.0.1", no encryption'


@contextmanager
def tls_alone(
    folder: Path, port: int, signed: Signed | None = None, host: str = "127.0.0.1"
) -> Generator[int]:
    """Its port at `host`; what comes in by TLS goes on to `port`. `signed`: what it presents."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signed = signed or sign("db", None, "db.test")
    (folder / "server.pem").write_bytes(signed.pem + signed.key())
    context.load_cert_chain(folder / "server.pem")
    with socket.create_server((host, 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1]


@contextmanager
def presenting(
    folder: Path, port: int, host: str, *names: str
) -> Generator[tuple[int, Path, Path]]:
    """One at `host` whose certificate is for these names: its port, and PEM files of the authority
    that signed it and of another one.
    """
    authority, other = sign("its own"), sign("another")
    files = folder / "ca.crt", folder / "other.crt"
    for file, signed in zip(files, (authority, other), strict=True):
        file.write_bytes(signed.pem)
    with tls_alone(folder, port, sign("db", authority, *names), host) as front:
        yield front, *files


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            visitor, _ = listener.accept()
            threading.Thread(target=_serve, args=(visitor, context, port), daemon=True).start()


def _serve(visitor: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError), visitor:
        if visitor.recv(8) != ASKED_FOR_TLS:
            fields = b"SFATAL\0C28000\0M" + REFUSAL + b"\0\0"
            visitor.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)
            return
        visitor.sendall(b"S")
        with (
            context.wrap_socket(visitor, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            threading.Thread(target=_pass_on, args=(server, inside), daemon=True).start()
            _pass_on(inside, server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while said := source.recv(65536):
            target.sendall(said)
        target.shutdown(socket.SHUT_WR)
