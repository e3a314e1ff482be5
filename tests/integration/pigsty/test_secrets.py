"""A task that fails and prints every kind of secret: none is in anything that a run leaves."""

import base64
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from flows.deploy import deploy
from tests.conftest import PigstyDouble
from tests.pigsty.double.settings import variables

VAULTED = 'Vault\'s "inner" value'
KNOWN = {
    "group_vars/all/vault.yml": ("smtp_password", VAULTED),
    "group_vars/all/plain.yml": ("ldap_bind_token", "Of-Group-Vars"),
    "roles/mail/defaults/main.yml": ("mail_admin_secret", "Of-A-Role"),
}
PRINTED = {
    'curl -u "admin:Given Once" http://10.0.0.1': "Given Once",
    "PGPASSWORD=GivenTwice psql": "GivenTwice",
    "postgres://dify:GivenThrice@10.0.0.1/dify": "GivenThrice",
    "dify:GivenFour@10.0.0.1:5432": "GivenFour",
}


@pytest.fixture
def keeping(
    prefect: str, double: PigstyDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, str]:
    """An environment on the double, whose tree keeps secrets where Ansible finds them."""
    for name, value in variables(double, tmp_path).items():
        monkeypatch.setenv(name, value)
    for place, (name, value) in KNOWN.items():
        file, text = double.tree / place, f"{name}: {json.dumps(value)}\n"
        file.parent.mkdir(parents=True, exist_ok=True)
        vaulted = base64.b64encode(text.encode()).decode()
        file.write_text(f"$ANSIBLE_VAULT;1.1;double\n{vaulted}" if "vault" in place else text)
    return dict(KNOWN.values())


def test_a_failing_task_tells_no_secret(
    keeping: Mapping[str, str], double: PigstyDouble, caplog: pytest.LogCaptureFixture
) -> None:
    said = [f"what {name} is: {value}" for name, value in keeping.items()] + list(PRINTED)
    result = {"msg": "\n".join(said), "cmd": " ; ".join(said), "stderr": f"ERROR: {said[0]}"}
    double.path("/etc/fail-next.json").write_text(json.dumps(result))
    with caplog.at_level(logging.INFO, "rollout"):
        state = deploy(environment="staging", only=["configure", "pgsql"], return_state=True)
    assert state.is_failed()
    left = {**of_the_server(), "log": caplog.text, "state": f"{state.message} {state!r}"}
    assert "FAILED! => " in left["log"] and "FAILED! => " in left["logs"]
    assert "what smtp_password is: ***" in left["state"]
    secrets = [*keeping.values(), *PRINTED.values()]
    forms = [form for secret in secrets for form in (secret, json.dumps(secret)[1:-1])]
    assert [
        f"{form} in {place}" for place, text in left.items() for form in forms if form in text
    ] == []


def of_the_server() -> dict[str, str]:
    """Everything the Prefect server keeps of runs, once the log has arrived."""
    places = ("logs", "artifacts", "flow_runs", "task_runs")
    deadline = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while True:
            found: dict[str, Any] = {
                place: client.request("POST", f"/{place}/filter", json={}).text for place in places
            }
            if "FAILED! => " in found["logs"] or time.monotonic() > deadline:
                return found
            time.sleep(0.5)
