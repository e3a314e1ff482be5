"""A sandbox that no Prefect server knows: the same commands, nothing hidden, no old secret back."""

import os
import stat
import subprocess
from collections.abc import Generator
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from tests.e2e.conftest import Machine, machine

# Of processor: how long it takes on top of that says how busy the machine is. With four
# others on two processors the first took 4.0 s, alone 2.6 to 3.7 s.
PLAN_S, DEPLOY_S = 7.0, 12.0


@pytest.fixture(scope="module")
def alone() -> Generator[Machine]:
    made = machine("alone")
    try:
        done = made.rollout("deploy", "sandbox")
        assert "no Prefect server: this run is not recorded" in done.stderr
        yield made
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


def seconds(machine: Machine, *words: str) -> float:
    """Processor seconds of the command."""
    before = getrusage(RUSAGE_CHILDREN)
    machine.rollout(*words)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_nothing_to_do_costs_seconds(alone: Machine) -> None:
    assert seconds(alone, "plan", "sandbox") < PLAN_S
    assert seconds(alone, "deploy", "sandbox") < DEPLOY_S


def test_secrets_are_in_the_stack_and_in_no_hidden_database(alone: Machine) -> None:
    assert not list(alone.home.rglob("*.db"))
    file = alone.home / "sandbox" / "stack" / "secrets.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"SECRET_KEY={alone.secret('secret_key')}" in file.with_name(".env").read_text()


def test_a_value_that_differs_stops_the_run_until_somebody_decides(alone: Machine) -> None:
    env = alone.home / "sandbox" / "stack" / ".env"
    text, key = env.read_text(), alone.secret("plugin_daemon_key")
    env.write_text(text.replace(key, "another-key-somebody-typed"))
    done = alone.rollout("deploy", "sandbox", check=False)
    assert done.returncode == 1
    assert "more than one value of plugin_daemon_key" in done.stderr
    assert key not in done.stderr and "another-key" not in done.stderr
    alone.rollout("secrets", "sandbox", "--keep", "file")
    assert alone.rollout("deploy", "sandbox").returncode == 0
    assert alone.secret("plugin_daemon_key") == key
    assert key in env.read_text()


@pytest.mark.long
def test_points_are_kept_and_come_back(alone: Machine) -> None:
    made = alone.json("backup", "sandbox")
    assert made["made"]
    assert [each["point"] for each in alone.json("backup", "list", "sandbox")["points"]] == [
        made["made"]
    ]
    assert alone.json("drill", "sandbox")["point"] == made["made"]


def test_what_only_a_server_has_is_said(alone: Machine) -> None:
    done = alone.rollout("history", "sandbox", check=False)
    assert done.returncode == 1
    assert "the history of sandbox is kept by a Prefect server" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_purge_leaves_no_secret(alone: Machine) -> None:
    secrets = {name: alone.secret(name) for name in ("secret_key", "postgres_password")}
    real = (alone.home / "sandbox").resolve()
    alone.rollout("down", "sandbox", "--purge", "--yes")
    found = subprocess.run(
        ["grep", "-rlsF", *(f"-e{value}" for value in secrets.values()),
         str(alone.home), str(real.parent), os.environ.get("TMPDIR", "/tmp")],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert not [path for path in found.splitlines() if Path(path).exists()]
