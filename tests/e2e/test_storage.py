"""Uploads and tenant keys in a real S3 service instead of on the machine's disk."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.serving import serving

BRIDGE = "172.17.0.1"
RCLONE = Path(sys.executable).parent / "rclone"
KEY, SECRET = "ACCESSKEYOFTHETEST", 'p@ss "w\'ord" $HOME %2F #x'


@dataclass(frozen=True)
class Store:
    """An S3 service and the folder its buckets are in."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def store(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    """Needs the engine's bridge, which the deployed machine has started."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "dify-files").mkdir()
    (folder / "dify-plugins").mkdir()
    with socket.create_server((BRIDGE, 0)) as free:
        port = free.getsockname()[1]
    words = ("serve", "s3", str(folder), "--addr", f"{BRIDGE}:{port}", "--auth-key")
    with serving([RCLONE, *words, f"{KEY},{SECRET}"], stderr=subprocess.DEVNULL):
        _answers(BRIDGE, port)
        yield Store(f"http://{BRIDGE}:{port}", folder)


@pytest.fixture(scope="module")
def bucketed(store: Store, deployed: Any, new_machine: Any) -> Generator[Any]:
    storage = {
        "ROLLOUT__STORAGE__KIND": "s3",
        "ROLLOUT__STORAGE__ENDPOINT": store.url,
        "ROLLOUT__STORAGE__BUCKET": "dify-files",
        "ROLLOUT__STORAGE__PLUGIN_BUCKET": "dify-plugins",
        "ROLLOUT__STORAGE__ADDRESS_STYLE": "path",
    }
    made = new_machine("s3", **deployed.client, **storage)
    try:
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


def test_keys_nobody_gave_are_asked_for_by_the_command_that_saves_them(bucketed: Any) -> None:
    done = bucketed.rollout("deploy", "sandbox", check=False)
    assert done.returncode == 1
    assert "s3_access_key, s3_secret_key not given" in done.stderr
    assert "rollout secrets sandbox s3_access_key --set" in done.stderr
    assert "Traceback" not in done.stderr


def test_given_keys_are_saved_from_stdin_and_replaced_only_after_a_yes(bucketed: Any) -> None:
    bucketed.rollout("secrets", "sandbox", "s3_access_key", "--set", stdin="another\n")
    refused = bucketed.rollout(
        "secrets", "sandbox", "s3_access_key", "--set", stdin=KEY, check=False
    )
    assert refused.returncode == 1
    assert "s3_access_key of sandbox is in use" in refused.stderr
    bucketed.rollout("secrets", "sandbox", "s3_access_key", "--set", "--yes", stdin=KEY)
    bucketed.rollout("secrets", "sandbox", "s3_secret_key", "--set", stdin=f"{SECRET}\n")
    assert bucketed.secret("s3_secret_key") == SECRET
    unknown = bucketed.rollout("secrets", "sandbox", "s3_key", "--set", stdin=KEY, check=False)
    assert "'s3_key' is no secret of sandbox" in unknown.stderr


def test_a_deploy_keeps_uploads_and_tenant_keys_in_the_bucket(bucketed: Any, store: Store) -> None:
    done = bucketed.rollout("deploy", "sandbox")
    assert "verify: " in done.stderr
    kept = [str(path.relative_to(store.folder)) for path in store.folder.rglob("*.*")]
    assert [name for name in kept if name.startswith("dify-files/privkeys/")], kept
    assert not list((bucketed.home / "sandbox").resolve().rglob("private.pem"))
    assert bucketed.json("deploy", "sandbox")["changes"] == 0


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
