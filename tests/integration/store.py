"""An object store whose certificate an authority of its own signed."""

import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import SecretStr

from clients.waiting import until
from tasks.core.site import Site
from tests.certificates import sign
from tests.ports import free_ports

RCLONE = Path(sys.executable).parent / "rclone"
KEY, SECRET = "KEYIDLONGENOUGH", "its-secret"


@contextmanager
def storing(folder: Path, host: str) -> Generator[tuple[str, Path, Path]]:
    """Its URL, and PEM files of the authority that signed for it and of another one."""
    authority, (port,) = sign("its own"), free_ports(1)
    own = sign("store", authority, host)
    contents = {"ca.crt": authority.pem, "other.crt": sign("another").pem}
    for name, content in {**contents, "own.crt": own.pem, "own.key": own.key()}.items():
        (folder / name).write_bytes(content)
    (folder / "data" / "dify-files").mkdir(parents=True)
    words = ["serve", "s3", str(folder / "data"), "--addr", f"{host}:{port}"]
    words += ["--auth-key", f"{KEY},{SECRET}", "--cert", str(folder / "own.crt")]
    words += ["--key", str(folder / "own.key")]
    process = subprocess.Popen([RCLONE, *words], stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: _listens(host, port), within_s=30, every_s=0.1)
        yield f"https://{host}:{port}", folder / "ca.crt", folder / "other.crt"
    finally:
        process.kill()
        process.wait()


def with_store(site: Site, endpoint: str, ca: str) -> Site:
    """The same with its files there."""
    update = {"kind": "s3", "endpoint": endpoint, "address_style": "path", "ca": ca}
    names = {"bucket": "dify-files", "plugin_bucket": "dify-plugins"}
    storage = site.environment.storage.model_copy(update=update | names)
    keys = {"s3_access_key": SecretStr(KEY), "s3_secret_key": SecretStr(SECRET)}
    return site.replace(
        environment=site.environment.model_copy(update={"storage": storage}),
        secrets={**site.secrets, **keys},
    )


def _listens(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
