"""An upgrade as people start it in the Prefect UI: rehearsed, approved, in the history, undone."""

import base64
import json
import re
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from tests.e2e.conftest import Machine, machine
from tests.e2e.prefect_server import ENDED, Server, Worker

OLD, NEW, NEWEST = "1.15.0", "1.16.1", "1.17.1"
# The file names the release that runs, so that no run has to write it.
RUNS = {"ROLLOUT__DIFY__RELEASE": OLD, "ROLLOUT__UPGRADE__WATCH_S": "0"}
PICTURE = re.compile(r"data:image/svg\+xml;base64,([\w+/=]+)")


@pytest.fixture(scope="module")
def dify() -> Generator[Machine]:
    made = machine("upgraded", **RUNS)
    try:
        made.rollout("sandbox", "sandbox")
        made.rollout("backup", "take", "sandbox")
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


def server(dify: Machine, flow: str) -> Server:
    """The deployment of the flow."""
    api = dify.api()
    found = api.get(f"/deployments/name/{flow}/sandbox").raise_for_status().json()
    return Server(api, found["id"], Worker(dify.home / "sandbox" / "prefect"))


def ended(found: Mapping[str, Any]) -> bool:
    return found["state_type"] in ENDED


def text(of: Server, run: str, key: str) -> str:
    [found] = [each for each in of.artifacts(run) if each["key"] == key]
    return str(found["data"])


def test_a_rehearsal_goes_to_the_newest_release_and_leaves_what_it_measured(dify: Machine) -> None:
    of = server(dify, "rehearsal")
    run = of.start()
    assert of.wait(run, ended, within_s=900)["state_type"] == "COMPLETED"
    said = text(of, run, "rehearsal-sandbox")
    assert f"Dify {OLD} → {NEWEST}" in said and "nobody could use Dify for" in said
    [picture] = PICTURE.findall(said)
    assert "migrate" in base64.b64decode(picture).decode()
    parts = {row["part"] for row in json.loads(text(of, run, "rehearsal-parts-sandbox"))}
    assert {"restore", "migrate", "start", "checks"} <= parts
    assert dify.json("history", "sandbox", "--limit", "1")["deploys"][0]["run"] == "deploy"


def test_a_protected_upgrade_waits_for_a_person_and_is_in_the_history(dify: Machine) -> None:
    of = server(dify, "upgrade")
    of.worker.restart(ROLLOUT__DIFY__RELEASE=NEW, ROLLOUT__PROTECTED="true")
    run = of.start(to=NEW, without_drill=True, reason="the new editor")
    of.wait(run, lambda found: found["state_name"] == "Suspended", within_s=300)
    answer = {"approved_by": "Ada Lovelace", "reason": "rehearsed on Sunday"}
    of.api.post(f"/flow_runs/{run}/resume", json={"run_input": answer}).raise_for_status()
    assert of.wait(run, ended, within_s=900)["state_type"] == "COMPLETED"
    said = text(of, run, "upgrade-sandbox")
    assert "not proved by a drill, as was asked for" in said and PICTURE.search(said)
    [row] = dify.json("history", "sandbox", "--limit", "1")["deploys"]
    assert (row["upgrade"], row["result"]) == (f"{OLD} → {NEW}", f"{NEW} serves")
    assert (row["approved_by"], row["reason"]) == ("Ada Lovelace", "rehearsed on Sunday")
    assert row["point"] in said


def test_a_rollback_is_in_the_history_too(dify: Machine) -> None:
    done = dify.json("rollback", "sandbox", "--yes", "--reason", "the old editor")
    assert (done["from"], done["to"]) == (NEW, OLD)
    [row] = dify.json("history", "sandbox", "--limit", "1")["deploys"]
    assert (row["run"], row["result"]) == ("rollback", f"{OLD} serves")
