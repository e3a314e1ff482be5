"""`rollout images` on the deployed sandbox, through its own Prefect server."""

import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from config.load import ROOT, load_environment

API = f"langgenius/dify-api:{load_environment('staging').dify.release}"


def artifacts(machine, key: str) -> list[dict]:
    asked = {"artifacts": {"key": {"any_": [key]}}}
    with machine.api() as api:
        return api.post("/artifacts/filter", json=asked).json()


@pytest.fixture(scope="module")
def bundle(deployed, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "dify.bundle"
    made = deployed.json("images", "bundle", "sandbox", str(path), "--extra", "README.md")
    assert made["action"] == "bundle"
    assert {row["image"] for row in made["rows"]} >= {API}
    return path


def test_pulling_what_is_there_does_nothing(deployed) -> None:
    assert deployed.json("images", "pull", "sandbox")["rows"] == []


def test_a_bundle_whose_images_are_there_needs_no_run(deployed, bundle) -> None:
    done = deployed.json("images", "load", str(bundle))
    assert done == {"environment": "sandbox", "action": "load", "rows": [], "seconds": 0}


def test_extra_files_of_a_bundle_whose_images_are_there(deployed, bundle, tmp_path) -> None:
    done = deployed.json("images", "load", str(bundle), "--extra-to", str(tmp_path))
    assert (done["environment"], done["rows"]) == ("sandbox", [])
    assert done["seconds"] < 20
    assert (tmp_path / "README.md").is_file()


def test_a_damaged_bundle_is_one_sentence(deployed, bundle, tmp_path) -> None:
    content = bytearray(bundle.read_bytes())
    content[-3000] ^= 1
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    done = deployed.rollout("images", "load", str(damaged), "sandbox", check=False)
    assert done.returncode == 1
    assert f"{damaged} is damaged or no bundle: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bundle_is_verified_without_loading_it(deployed, bundle) -> None:
    done = deployed.json("images", "verify", str(bundle))
    assert (done["environment"], done["action"]) == ("sandbox", "verify")
    assert {row["image"] for row in done["rows"]} >= {API}


def test_what_runs_is_kept(deployed) -> None:
    rows = deployed.json("images", "list", "sandbox")["rows"]
    state = {row["image"]: row["state"] for row in rows}
    assert state[API] == "a container uses it"


@pytest.mark.long  # other tests use that image
def test_an_image_that_was_removed_by_hand_comes_back_with_its_container(deployed) -> None:
    engine = docker.from_env()
    web = engine.containers.get(f"{deployed.project}-web-1")
    name = web.image.tags[0]
    web.remove(force=True)
    engine.images.remove(name, force=True)
    done = deployed.json("deploy", "sandbox")
    assert done["changes"] == 2
    assert engine.containers.get(f"{deployed.project}-web-1").status == "running"
    assert deployed.json("deploy", "sandbox")["changes"] == 0


def test_runs_leave_tables(deployed, bundle) -> None:
    assert artifacts(deployed, "images-bundle-sandbox")
    assert artifacts(deployed, "images-progress-sandbox")


def test_the_deployment_is_there(deployed) -> None:
    with deployed.api() as api:
        found = api.get("/deployments/name/images/sandbox").json()
    assert found["parameters"] == {"environment": "sandbox"}
    asked = found["parameter_openapi_schema"]["properties"]["action"]["enum"]
    assert asked == ["pull", "bundle", "verify", "load", "list", "prune"]


SAVED = """
from pydantic import SecretStr
from blocks import login
login.Login(username="robot", password=SecretStr("s3cret word")).save("registry-robot")
found = login.load("registry-robot", "images.logins.x")
assert found.password.get_secret_value() == "s3cret word"
try:
    login.load("nobody", "images.logins.quay.io")
except Exception as error:
    print(error, found)
"""


def test_a_login_is_a_block_and_its_absence_a_sentence(deployed, python) -> None:
    said = python(deployed, SAVED)
    assert said.startswith("images.logins.quay.io: no Prefect block login/nobody; expected one")
    assert "s3cret" not in said


@pytest.fixture
def python():
    """Runs a script against the machine's Prefect server; what it prints."""

    def run(machine, script: str) -> str:
        env = {**os.environ, **machine.variables, **machine.client, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", script]
        return subprocess.run(words, env=env, cwd=ROOT, check=True, capture_output=True,
                              text=True).stdout  # fmt: skip

    return run
