"""An S3 service whose certificate an authority of its own signed, asked as the containers ask."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from pydantic import SecretStr

from clients.node import LocalNode
from clients.s3 import Bucket, StoreUnreachable
from config.errors import RolloutError
from tests.ports import free_ports

RCLONE = Path(sys.executable).parent / "rclone"
KEY, SECRET = "KEYIDLONGENOUGH", "its-secret"
NAME = "sss.pigsty"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, str]]:
    """The service's URL, and its authority's certificate."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "data" / "dify").mkdir(parents=True)
    _certificates(folder)
    (port,) = free_ports(1)
    words = ["serve", "s3", str(folder / "data"), "--addr", f"127.0.0.1:{port}"]
    words += ["--auth-key", f"{KEY},{SECRET}", "--cert", str(folder / "own.crt")]
    words += ["--key", str(folder / "own.key")]
    process = subprocess.Popen([RCLONE, *words], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield f"https://{NAME}:{port}", (folder / "ca.crt").read_text()
    finally:
        process.kill()
        process.wait()


def _certificates(folder: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=its own")
    openssl("req", "-x509", *new, "-keyout", "own.key", "-out", "own.crt", "-subj", f"/CN={NAME}",
            "-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=CA:FALSE",
            "-CA", "ca.crt", "-CAkey", "ca.key")  # fmt: skip


def bucket(url: str, authority: str, address: str = "127.0.0.1") -> Bucket:
    keys = SecretStr(KEY), SecretStr(SECRET)
    return Bucket(url, "us-east-1", "dify", True, *keys, LocalNode(), authority, address)


def test_it_is_found_and_trusted_by_what_the_containers_get(store: tuple[str, str]) -> None:
    assert bucket(*store).check() == "the bucket can be listed with these keys"


def test_without_its_authority_it_is_not_trusted(store: tuple[str, str]) -> None:
    with pytest.raises(RolloutError, match="certificate"):
        bucket(store[0], "").check()


def test_without_its_address_nobody_finds_it(store: tuple[str, str]) -> None:
    with pytest.raises(StoreUnreachable, match=r"resolve"):
        bucket(*store, address="").check()
