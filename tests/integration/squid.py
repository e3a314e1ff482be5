"""A real proxy that wants a password."""

import shutil
import subprocess
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.serving import serving

USER, PASSWORD = "robot", "s3cret word"
SQUID = """
http_port 127.0.0.1:{port}
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
shutdown_lifetime 0 seconds
"""


@contextmanager
def serve_squid(port: int) -> Generator[tuple[str, Path]]:
    """Its URL, and its log."""
    folder = Path(f"/tmp/rollout-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    folder.chmod(0o755)
    words = ["openssl", "passwd", "-apr1", PASSWORD]
    hashed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    (folder / "users").write_text(f"{USER}:{hashed}")
    (folder / "squid.conf").write_text(SQUID.format(port=port, folder=folder))
    subprocess.run(["chown", "-R", "proxy:", folder], check=True)
    with serving(["squid", "-N", "-f", folder / "squid.conf"], stderr=subprocess.DEVNULL):
        deadline = time.monotonic() + 20
        while not (folder / "squid.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", folder / "access.log"
    shutil.rmtree(folder)
