"""An S3 service that containers reach, too, as a real MinIO would be."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.serving import serving

BRIDGE = "172.17.0.1"
RCLONE = Path(sys.executable).parent / "rclone"
KEY, SECRET = "ACCESSKEYOFTHETEST", 'p@ss "w\'ord" $HOME %2F #x'


@dataclass(frozen=True)
class Store:
    """An S3 service and the folder its buckets are in."""

    url: str
    folder: Path


@contextmanager
def s3_service(
    folder: Path, buckets: Sequence[str], *, host: str = BRIDGE, own: Path | None = None
) -> Generator[Store]:
    """By TLS where `own` is given: a file with its certificate and key."""
    for name in buckets:
        (folder / name).mkdir()
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    words = ["serve", "s3", str(folder), "--addr", f"{host}:{port}"]
    words += ["--auth-key", f"{KEY},{SECRET}"]
    words += ["--cert", str(own), "--key", str(own)] if own else []
    with serving([RCLONE, *words], stderr=subprocess.DEVNULL):
        _answers(host, port)
        yield Store(f"http{'s' if own else ''}://{host}:{port}", folder)


def _answers(host: str, port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
