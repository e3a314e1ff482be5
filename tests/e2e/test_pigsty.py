"""The whole deploy on Pigsty, with real containers: on the double of it, and from nothing."""

import os
import subprocess
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.steps.table import NAMES
from tests.e2e.conftest import Machine
from tests.pigsty.double.build import Double, build
from tests.pigsty.double.settings import variables
from tests.ports import free_ports
from tests.serving import serving


@pytest.fixture(scope="module")
def pigsty(
    new_machine: Any, deployed: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[Machine, Double]]:
    double = build(tmp_path_factory.mktemp("pigsty") / "tree")
    made: Machine = new_machine("pigsty", **deployed.client)
    programs = double.folder / "pgsql/x/pginstall/bin"
    more = {
        "ROLLOUT__DIFY__SERVICES": '["api_websocket"]',
        "ROLLOUT__BACKUP__REPOSITORY": str(made.home / "repository"),
        "ROLLOUT__BACKUP__DRILL__PORT": str(free_ports(1)[0]),
        "PATH": f"{double.programs}:{programs}:{os.environ['PATH']}",
    }
    site = Machine(made.home, {**made.variables, **variables(double, made.home), **more})
    try:
        yield site, double
    finally:
        site.rollout("down", "staging", "--yes", check=False)
        double.remove()


@pytest.fixture(scope="module")
def first(pigsty: tuple[Machine, Double]) -> subprocess.CompletedProcess[str]:
    """The deploy from an empty tree: nothing configured, nothing installed."""
    return pigsty[0].rollout("deploy", "staging")


def test_the_whole_recipe_runs_and_is_proved(first: Any, pigsty: tuple[Machine, Double]) -> None:
    machine, double = pigsty
    assert "checks passed" in first.stderr
    assert "https://" in first.stdout and "REHEARSAL" in first.stdout
    assert (double.tree / "pigsty.yml").stat().st_mode & 0o777 == 0o600
    password = machine.rollout("secrets", "staging", "postgres_password").stdout.strip()
    assert password in (double.tree / "pigsty.yml").read_text()
    assert password not in first.stderr + first.stdout
    assert not double.path("/pg/tmp/pg-user-dbuser_dify.sql").exists()


def test_it_is_the_postgresql_of_pigstys_own_template(
    first: Any, pigsty: tuple[Machine, Double]
) -> None:
    machine, double = pigsty
    asked = ("psql", "-h", str(double.path("/pg/run")), "-U", "postgres", "-Atc")
    done = subprocess.run(
        (*asked, "SHOW server_version_num"),
        env=dict(machine.variables), check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert int(done.stdout) // 10_000 == 18


def test_a_second_deploy_changes_nothing_and_restarts_nothing(
    first: Any, pigsty: tuple[Machine, Double]
) -> None:
    machine, double = pigsty
    services = ("postgres", "nginx", "redis-dify-1-6379")
    before = double.journal(), [double.pid(service) for service in services]
    text = (double.tree / "pigsty.yml").read_bytes()
    done = machine.json("deploy", "staging")
    assert done["changes"] == 0
    assert [step["step"] for step in done["steps"]] == list(NAMES[1:-1])
    assert (double.journal(), [double.pid(service) for service in services]) == before
    assert None not in before[1]
    assert (double.tree / "pigsty.yml").read_bytes() == text


def test_the_playbooks_words_are_in_the_runs_log(
    first: Any, pigsty: tuple[Machine, Double]
) -> None:
    assert "install: task 1: ca : create ca private key and certificate" in first.stderr
    assert "PLAY RECAP" in first.stderr


def test_a_point_is_made_proved_by_a_drill_and_comes_back(
    first: Any, pigsty: tuple[Machine, Double]
) -> None:
    machine, _ = pigsty
    made = machine.json("backup", "staging")
    assert not [w for w in made["warnings"] if "physical" in w]
    drilled = machine.json("drill", "staging")
    assert drilled["point"] == made["made"] and drilled["checks"]
    restored = machine.json("restore", "staging", made["made"], "--yes")
    assert restored["point"] == made["made"] and restored["safety"] and restored["checks"]


@pytest.mark.long
def test_the_cluster_goes_back_to_a_moment_and_dify_is_proved_there(
    first: Any, pigsty: tuple[Machine, Double]
) -> None:
    machine, double = pigsty
    time.sleep(1)
    moment = datetime.now(UTC).isoformat()
    later = "CREATE DATABASE came_later"
    asked = ("psql", "-h", str(double.path("/pg/run")), "-U", "postgres", "-c", later)
    subprocess.run(asked, env=dict(machine.variables), check=True, capture_output=True)
    shown = machine.json("restore", "staging", "--to-time", moment, "--preview")
    assert shown["backup"].endswith("F") and "came_later" in shown["others"]
    refused = machine.rollout("restore", "staging", "--to-time", moment, check=False)
    assert refused.returncode == 1 and "expected --yes" in refused.stderr
    back = machine.json("restore", "staging", "--to-time", moment, "--yes")
    assert back["point"] == moment and back["safety"] and back["checks"]
    again = machine.json("restore", "staging", "--to-time", moment, "--preview")
    assert "came_later" not in again["others"]


PORTAL = """
daemon off; pid nginx.pid; error_log stderr; events {{}}
http {{
    access_log off;
    map $http_upgrade $upgraded {{ default upgrade; "" ""; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{stack};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $upgraded;
        }}
    }}
}}
"""


@pytest.fixture
def portal(pigsty: tuple[Machine, Double], tmp_path: Path) -> Generator[int]:
    """The port of an nginx that somebody else runs, which leads to the stack."""
    (port,) = free_ports(1)
    stack = pigsty[0].variables["ROLLOUT__DIFY__PORT"]
    (tmp_path / "nginx.conf").write_text(PORTAL.format(port=port, stack=stack))
    with serving(["nginx", "-p", str(tmp_path), "-c", "nginx.conf"]):
        yield port


@pytest.fixture
def given(pigsty: tuple[Machine, Double], deployed: Machine, portal: int) -> Machine:
    """The same PostgreSQL and Redis as somebody else's, of whom we know only an administrator.

    The portal's name is one this machine resolves already, that of another sandbox.
    """
    machine, double = pigsty
    double.admit("given_dify")
    connections = {
        "ROLLOUT__PLATFORM__KIND": "external",
        "ROLLOUT__POSTGRES__ADMIN": "dbuser_dba",
        "ROLLOUT__POSTGRES__USER": "given_dify",
        "ROLLOUT__POSTGRES__DATABASE": "given",
        "ROLLOUT__POSTGRES__PLUGIN_DATABASE": "given_plugin",
        "ROLLOUT__SECRETS__SOURCES__POSTGRES_ADMIN_PASSWORD": "env:GIVEN_PASSWORD",
        "GIVEN_PASSWORD": "DBUser.DBA",
        "ROLLOUT__PORTAL__DOMAIN": deployed.domain,
        "ROLLOUT__PORTAL__TLS": "false",
        "ROLLOUT__PORTAL__HTTP_PORT": str(portal),
    }
    return Machine(machine.home, {**machine.variables, **connections})


@pytest.mark.long
def test_connections_somebody_gives_are_enough(
    first: Any, given: Machine, pigsty: tuple[Machine, Double]
) -> None:
    _, double = pigsty
    before = double.journal(), (double.tree / "pigsty.yml").read_bytes()
    done = given.json("deploy", "staging")
    changed = {step["step"] for step in done["steps"] if step["changed"]}
    assert changed == {"pgsql", "settings", "migrate", "compose"}
    assert given.json("deploy", "staging")["changes"] == 0
    assert (double.journal(), (double.tree / "pigsty.yml").read_bytes()) == before
