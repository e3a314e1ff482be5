"""A TCP proxy before a real server: it lets through, refuses, resets or says nothing any more."""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum

from tests.ports import free_ports

CHUNK = 1 << 16
RESET = struct.pack("ii", 1, 0)

Dial = Callable[[], socket.socket]


class Way(StrEnum):
    """What becomes of connections, those that are open included."""

    OPEN = "open"
    CLOSED = "closed"
    HANGING = "hanging"


class Proxy:
    """`port` of an address here leads to what `dial` reaches."""

    def __init__(self, dial: Dial, address: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        self.port = port or free_ports(1)[0]
        self.accepted = 0
        self._dial = dial
        self._way = Way.OPEN
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None
        self.set(Way.OPEN)

    def set(self, way: Way) -> None:
        """From now on, for new connections and for those that are there."""
        with self._changed:
            self._way = way
            if way is Way.CLOSED:
                self._close()
            elif self._listener is None:
                self._listener = socket.create_server((self.address, self.port), backlog=64)
                threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()
            self._changed.notify_all()

    def away(self, seconds: float) -> threading.Timer:
        """Closed, and open again after so many seconds."""
        self.set(Way.CLOSED)
        back = threading.Timer(seconds, self.set, [Way.OPEN])
        back.daemon = True
        back.start()
        return back

    def _close(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._await_open()
        try:
            far = self._dial()
        except OSError:
            near.close()
            return
        with self._changed:
            if self._way is Way.CLOSED:
                near.close()
                far.close()
                return
            self._pairs.append((near, far))
        with contextlib.suppress(OSError, ValueError):
            self._pump(near, far)
        near.close()
        far.close()

    def _await_open(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._way is not Way.HANGING)

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        to = {near: far, far: near}
        with selectors.DefaultSelector() as ready:
            for each in to:
                ready.register(each, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select():
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    data = source.recv(CHUNK)
                    self._await_open()
                    if data:
                        to[source].sendall(data)
                        continue
                    ready.unregister(source)
                    to[source].shutdown(socket.SHUT_WR)


def tcp(host: str, port: int) -> Dial:
    return lambda: socket.create_connection((host, port), timeout=None)


def unix(path: str) -> Dial:
    def dial() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(path)
        return made

    return dial


@contextmanager
def proxy(dial: Dial, address: str = "127.0.0.1") -> Generator[Proxy]:
    made = Proxy(dial, address)
    try:
        yield made
    finally:
        made.set(Way.CLOSED)
