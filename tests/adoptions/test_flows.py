"""An adoption as people start it in the Prefect UI: approved by a person, and given back."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, cast

import docker
import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from cli.server_setup import apply_setup
from config.load import ROOT
from tasks.core.site import Site
from tests.e2e.conftest import Machine, machine
from tests.e2e.prefect_server import ENDED, Server
from tests.integration import prefect_server, stack
from tests.integration.adopting import RELEASE_THERE, members, people_see, states
from tests.ports import free_ports

APPROVED = {"approved_by": "Ada Lovelace", "reason": "the old machine goes"}
NOTHING: Any = None


@pytest.fixture(scope="module")
def adopter(
    there: Site, tmp_path_factory: pytest.TempPathFactory, server_database: dict[str, str]
) -> Generator[Machine]:
    """A protected environment with a Prefect server and a worker, of which nothing is deployed."""
    folder, [port] = tmp_path_factory.mktemp("server"), free_ports(1)
    with prefect_server.server(folder, port, **server_database) as url:
        made = machine(
            "adopter-ui",
            PREFECT_API_URL=url,
            ROLLOUT__PROTECTED="true",
            ROLLOUT__POSTGRES__HOST=stack.BRIDGE,
            ROLLOUT__REDIS__HOST=stack.BRIDGE,
            ROLLOUT__DIFY__RELEASE=RELEASE_THERE,
            ROLLOUT__DIFY__ADMIN_EMAIL=there.environment.dify.admin_email,
        )
        with temporary_settings({PREFECT_API_URL: url}):
            apply_setup(["sandbox"])
        worker = working(made, folder)
        try:
            password = there.secret("admin_password")
            made.rollout("secrets", "sandbox", "admin_password", "--set", stdin=password)
            yield made
        finally:
            worker.kill()
            worker.wait()
            made.rollout("down", "sandbox", "--purge", "--yes", check=False)


def working(made: Machine, folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "worker.log").open("wb") as log:
        return subprocess.Popen(
            [Path(sys.executable).parent / "prefect", "worker", "start", "--pool", "dify-rollout"],
            cwd=ROOT, env={**os.environ, **made.variables}, stdout=log, stderr=log,
        )  # fmt: skip


@pytest.fixture(scope="module")
def adopt(adopter: Machine) -> Generator[Server]:
    """The deployment `adopt/sandbox`."""
    with httpx.Client(base_url=adopter.variables["PREFECT_API_URL"], timeout=30) as api:
        found = api.get("/deployments/name/adopt/sandbox").raise_for_status().json()
        yield Server(api, found["id"], cast(Any, NOTHING))


def suspended(of: Server, run: str, but: str = "") -> Mapping[str, Any]:
    """The run as it waits for a person, in another state than that one."""
    waits = of.wait(
        run,
        lambda each: (
            each["state_type"] in ENDED
            or (each["state_name"] == "Suspended" and each["state_id"] != but)
        ),
        within_s=300,
    )
    assert waits["state_name"] == "Suspended", waits["state"]["message"]
    return waits


def approve(of: Server, run: str) -> None:
    answer = {"run_input": APPROVED}
    of.api.post(f"/flow_runs/{run}/resume", json=answer).raise_for_status()


def ended(of: Server, run: str) -> None:
    done = of.wait(run, lambda each: each["state_type"] in ENDED, within_s=900)
    assert done["state_type"] == "COMPLETED", done["state"]["message"]


def stops(of: Server, run: str) -> set[str]:
    """The containers that the newest plan of the run would stop."""
    plans = [each for each in of.artifacts(run) if each["key"] == "plan-sandbox"]
    newest = max(plans, key=lambda each: each["created"])
    assert newest["description"].startswith("What an adoption of sandbox would change: ")
    said = [row["what"] for row in json.loads(newest["data"]) if row["step"] == "adopt"]
    return {each.removeprefix("stop ") for each in said if each.startswith("stop ")}


def test_it_waits_for_a_person_and_is_asked_anew_when_the_world_has_changed(
    there: Site, adopter: Machine, adopt: Server
) -> None:
    project = there.environment.dify.project
    run = adopt.start(project=project, without_drill=True, reason="ours from now on")
    first = suspended(adopt, run)
    ran = {each.name for each in members(there) if each.runs}
    assert stops(adopt, run) == ran and set(states(there).values()) == {"running"}
    [web] = [each for each in members(there) if each.service == "web"]
    docker.from_env().containers.get(web.id).stop(timeout=1)
    approve(adopt, run)
    second = suspended(adopt, run, but=first["state_id"])
    keys = [each["empirical_policy"]["pause_keys"] for each in (first, second)]
    assert keys[0] != keys[1] and stops(adopt, run) == ran - {web.name}
    assert [name for name, state in states(there).items() if state != "running"] == ["web"]
    approve(adopt, run)
    ended(adopt, run)
    assert set(states(there).values()) == {"exited"}
    [row] = adopter.json("history", "sandbox", "--limit", "1")["deploys"]
    assert (row["approved_by"], row["reason"]) == ("Ada Lovelace", "the old machine goes")
    assert row["result"].endswith(": taken over") and row["point"]


def test_the_way_back_asks_for_the_environments_name(
    there: Site, adopter: Machine, adopt: Server
) -> None:
    run = adopt.start(back=True)
    refused = adopt.wait(run, lambda each: each["state_type"] in ENDED, within_s=300)
    assert refused["state_type"] == "FAILED"
    assert "sandbox is protected" in refused["state"]["message"]
    run = adopt.start(back=True, confirm="sandbox", reason="not yet")
    ended(adopt, run)
    assert {name for name, state in states(there).items() if state != "running"} == {"web"}
    [row] = adopter.json("history", "sandbox", "--limit", "1")["deploys"]
    assert row["result"].endswith(": started again")
    assert people_see(there)["decrypted"] == b"api key of a provider"
