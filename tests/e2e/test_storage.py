"""Uploads and tenant keys in a real S3 service instead of on the machine's disk."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.s3 import KEY, SECRET, Store, s3_service


@pytest.fixture(scope="module")
def store(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    """Needs the engine's bridge, which the deployed machine has started."""
    with s3_service(tmp_path_factory.mktemp("s3"), ("dify-files", "dify-plugins")) as found:
        yield found


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
