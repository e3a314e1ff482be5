"""The main job: two commands from nothing to a Dify that answers, and a second run that rests."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import pytest

from config.load import ROOT
from tasks.steps.table import NAMES


def containers(project: str) -> dict[str, str]:
    """Service → when its container was started."""
    found = docker.from_env().containers.list(
        filters={"label": f"com.docker.compose.project={project}"}
    )
    return {
        c.labels["com.docker.compose.service"]: f"{c.id} {c.attrs['State']['StartedAt']}"
        for c in found
    }


def daemons(home: Path) -> dict[str, str]:
    """Pid → command line of every server that works in the sandbox's directory.

    Not PostgreSQL's own children: autovacuum workers and connections come and go.
    """
    found: dict[str, str] = {}
    real = str((home / "sandbox").resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = str((process / "cwd").readlink())
        except OSError:
            continue
        mine = (real in line or place.startswith(real)) and not line.startswith("postgres: ")
        if mine and any(name in line for name in ("postgres", "redis", "nginx")):
            found[process.name] = line
    return found


def stamps(home: Path) -> dict[str, int]:
    """File → modification time of everything the rollout renders."""
    folders = [home / "sandbox" / name for name in ("stack", "nginx", "ca")]
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    kept = (f for f in files if f.suffix not in (".log", ".pid") and "temp" not in str(f))
    return {str(f): f.stat().st_mtime_ns for f in kept if "lock" not in f.name}


def test_the_cold_run_ends_with_where_to_go_and_says_it_is_a_rehearsal(cold: Any) -> None:
    machine, done = cold
    last = done.stdout.strip().splitlines()[-4:]
    port = machine.variables["ROLLOUT__PORTAL__HTTPS_PORT"]
    assert f"Dify     https://{machine.domain}:{port}" in last[0]
    assert machine.api_url.removesuffix("/api") in last[1]
    assert "admin@dify.local" in last[2]
    assert last[3].startswith("REHEARSAL")
    assert "verify: " in done.stderr
    assert "attempt 2 of " not in done.stderr


def test_dify_answers_behind_its_domain_with_a_certificate_that_verifies(deployed: Any) -> None:
    port = deployed.variables["ROLLOUT__PORTAL__HTTPS_PORT"]
    ca = str(deployed.home / "sandbox" / "ca" / "ca.crt")
    done = subprocess.run(
        ["curl", "-fsS", "--cacert", ca, "--resolve", f"{deployed.domain}:{port}:127.0.0.1",
         f"https://{deployed.domain}:{port}/console/api/setup"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["step"] == "finished"


def test_a_second_deploy_changes_and_restarts_nothing(deployed: Any) -> None:
    before = containers(deployed.project), daemons(deployed.home), stamps(deployed.home)
    result = deployed.json("deploy", "sandbox")
    assert result["changes"] == 0
    assert [step["step"] for step in result["steps"]] == list(NAMES[1:-1])
    assert (containers(deployed.project), daemons(deployed.home), stamps(deployed.home)) == before
    assert len(before[0]) == 9
    assert len(before[1]) >= 3
    assert len(before[2]) >= 5


def test_a_plan_with_nothing_to_do_is_status_0_and_one_with_changes_is_2(deployed: Any) -> None:
    quiet = deployed.rollout("plan", "sandbox", "--json")
    assert json.loads(quiet.stdout)["changes"] == []
    other = {"ROLLOUT__DIFY__LOG_LEVEL": "DEBUG"}
    loud = deployed.rollout("plan", "sandbox", "--json", check=False, **other)
    assert loud.returncode == 2
    changes = json.loads(loud.stdout)["changes"]
    log_level = [c for c in changes if "LOG_LEVEL" in c["what"]]
    assert [(c["step"], c["before"], c["after"]) for c in log_level] == [
        ("settings", "INFO", "DEBUG")
    ]
    assert deployed.json("plan", "sandbox")["changes"] == []


def test_a_hand_edit_is_shown_as_drift_and_kept_as_the_previous_version(deployed: Any) -> None:
    path = deployed.home / "sandbox" / "stack" / ".env"
    text = path.read_text()
    path.write_text(text.replace("LOG_LEVEL=", "EDITED_BY_HAND=1\nLOG_LEVEL=", 1))
    changes = deployed.json("plan", "sandbox")["changes"]
    assert any("EDITED_BY_HAND" in c["what"] and c["step"] == "settings" for c in changes)
    assert deployed.json("deploy", "sandbox")["changes"] >= 1
    assert path.read_text() == text
    assert "EDITED_BY_HAND" in path.with_name(".env.previous").read_text()


def test_the_prefect_server_keeps_its_runs_in_postgresql_with_artifacts(deployed: Any) -> None:
    api = deployed.api()
    runs = api.post("/flow_runs/filter", json={"sort": "START_TIME_ASC"}).json()
    first = runs[0]
    assert first["name"] == "deploy sandbox"
    assert first["deployment_id"]
    assert first["state_type"] == "COMPLETED"
    tasks = api.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [first["id"]]}}})
    assert {t["name"] for t in tasks.json()} >= {f"{step} sandbox" for step in NAMES}
    assert {t["run_count"] for t in tasks.json()} == {1}, "something was tried again"
    artifacts = api.post(
        "/artifacts/filter", json={"flow_runs": {"id": {"any_": [first["id"]]}}}
    ).json()
    assert {a["key"] for a in artifacts} >= {
        "changes-sandbox", "steps-sandbox", "verification-sandbox", "links-sandbox",
    }  # fmt: skip
    assert (deployed.home / "sandbox" / "postgres").is_dir()
    assert not list((deployed.home / "sandbox" / "prefect").glob("*.db"))


def test_everything_comes_back_after_all_of_it_was_killed(deployed: Any) -> None:
    for container in docker.from_env().containers.list(
        filters={"label": f"com.docker.compose.project={deployed.project}"}
    ):
        container.kill()
    for pid in daemons(deployed.home):
        subprocess.run(["kill", "-9", pid])
    deployed.rollout("sandbox", "sandbox")
    assert len(containers(deployed.project)) == 9
    assert deployed.json("deploy", "sandbox")["changes"] == 0


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ROLLOUT__DIFY__PROT": "1"}, "variable ROLLOUT__DIFY__PROT: dify.prot: unknown key"),
        ({"ROLLOUT__DIFY__PORT": "99999"}, "dify.port: 99999 is not allowed"),
        ({"ROLLOUT__PORTAL__DOMAIN": "no_domain"}, "'no_domain' is not a domain name"),
        ({"ROLLOUT__DIFY__RELEASE": "9.9.9"}, "unknown release '9.9.9'"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    deployed: Any, variables: dict[str, str], sentence: str
) -> None:
    before = stamps(deployed.home), containers(deployed.project)
    done = deployed.rollout("deploy", "sandbox", check=False, **variables)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert (stamps(deployed.home), containers(deployed.project)) == before


def test_setup_finds_the_sandbox_s_own_as_they_should_be_and_offers_the_others(
    deployed: Any,
) -> None:
    done = deployed.rollout("server", "setup", "--dry-run", "--json", **deployed.client)
    changes = [change["what"] for change in json.loads(done.stdout)["changes"]]
    assert "create deployment deploy/prod" in changes
    assert "create deployment backup/recipe" in changes
    assert not [what for what in changes if "/sandbox" in what or "work pool" in what]


def test_help_needs_no_prefect() -> None:
    code = "import sys, cli.main; sys.exit('prefect' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_plan_of_a_bare_machine_names_every_step_and_creates_nothing(
    deployed: Any, new_machine: Any
) -> None:
    bare = new_machine("bare", **deployed.client)
    done = bare.rollout("plan", "sandbox", "--json", check=False)
    assert done.returncode == 2, done.stderr
    steps = {change["step"] for change in json.loads(done.stdout)["changes"]}
    assert steps >= {"pgsql", "redis", "settings", "migrate", "compose", "portal", "hosts"}
    assert not (bare.home / "sandbox").exists()
    assert deployed.secret("secret_key") not in done.stdout


def test_a_machine_without_room_is_refused_before_anything_is_made(
    deployed: Any, new_machine: Any
) -> None:
    small = {"ROLLOUT__NODES__FREE_GB__DISK": "99999"}
    bare = new_machine("small", **deployed.client, **small)
    done = bare.rollout("deploy", "sandbox", check=False)
    assert done.returncode == 1
    assert "nodes.free_gb" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bare.home / "sandbox" / "stack").exists()


def test_a_port_somebody_else_holds_is_named_with_its_holder(
    deployed: Any, new_machine: Any
) -> None:
    bare = new_machine("taken", **deployed.client)
    port = int(bare.variables["ROLLOUT__PORTAL__HTTP_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        done = bare.rollout("deploy", "sandbox", check=False)
    assert done.returncode == 1
    assert f"portal.http_port: {port} is taken by" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert not (bare.home / "sandbox" / "stack").exists()
