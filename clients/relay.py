"""A socket on this machine that leads to a node's Docker Engine."""

import contextlib
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from config.errors import RolloutError


class Relay:
    """Each connection becomes the standard streams of one `docker system dial-stdio` there.

    That honours what the node's user has set for Docker (DOCKER_HOST, a context) and needs no
    port. The socket lies where only this user gets.
    """

    def __init__(self, dial: Callable[[], list[str]]) -> None:
        self._dial = dial
        # Short, since a socket's path holds 107 characters.
        self._folder = tempfile.TemporaryDirectory(prefix="rollout-", dir="/tmp")
        path = Path(self._folder.name) / "docker"
        self.url = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        running: list[subprocess.Popen[bytes]] = []
        while True:
            connection, _ = self._listener.accept()
            running = [process for process in running if process.poll() is None]
            # Who cannot be reached is told by the next command; here the client sees an end.
            with connection, contextlib.suppress(RolloutError, OSError):
                running.append(
                    subprocess.Popen(
                        self._dial(),
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
