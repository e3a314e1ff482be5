"""`rollout health` as people and scripts use it: its exit status, its JSON, and without Prefect."""

import json
import subprocess

from tests.e2e.conftest import Machine

FINE, WARN, FAIL = 0, 3, 4


def test_the_exit_status_tells_how_it_is(deployed: Machine):
    """Never backed up, never drilled: unknown, and nothing worse; backed up by another test: ok."""
    done = deployed.rollout("health", "sandbox", "--json", check=False)
    found = json.loads(done.stdout)
    bad = {each["probe"] for each in found["probes"] if each["status"] != "ok"}
    assert bad <= {"restore point", "drill"}
    assert done.returncode == (WARN if bad else FINE), done.stdout + done.stderr
    assert found["seconds"] < 30


def test_a_container_that_is_gone_fails_also_where_no_prefect_answers(deployed: Machine):
    name = f"{deployed.project}-web-1"
    subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    try:
        done = deployed.rollout(
            "health", "sandbox", check=False, PREFECT_API_URL="http://127.0.0.1:9/api"
        )
    finally:
        subprocess.run(["docker", "start", name], check=True, capture_output=True)
    assert done.returncode == FAIL, done.stdout + done.stderr
    assert "Prefect does not answer" in done.stdout
    assert "web" in done.stdout
