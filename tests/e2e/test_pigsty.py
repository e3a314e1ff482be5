"""The whole deploy on Pigsty, with real containers: on the double of it, and from nothing.

Once with everything on this machine; once with an old Pigsty, and every machine over SSH.
"""

import os
import signal
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest

from config.load import ROOT
from flows.names import STEPS
from tests.e2e.conftest import ROLLOUT, Machine, free_ports
from tests.integration import sshd
from tests.integration.sshd import SshServer
from tests.pigsty.double.build import Double, build
from tests.pigsty.double.settings import variables

NOBODY = {"worker": "nobody", "guest": "nobody"}
LOCAL = {"ROLLOUT__NODES__ADMIN": "local", "ROLLOUT__NODES__DIFY": '["local"]'}


@dataclass(frozen=True)
class Pigsty:
    """An environment on the double, and the SSH server its machines are reached by, if they are."""

    machine: Machine
    double: Double
    ssh: SshServer | None


@pytest.fixture(
    scope="module", params=[("v4.5.0", "local"), ("v2.7.0", "ssh")], ids=["new-local", "old-ssh"]
)
def pigsty(
    request: pytest.FixtureRequest,
    new_machine: Any,
    deployed: Machine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Pigsty]:
    version, where = request.param
    double = build(tmp_path_factory.mktemp("pigsty") / "tree", version)
    made: Machine = new_machine("pigsty", "172.30.67.0/24", PREFECT_API_URL=deployed.api_url)
    chosen = {**variables(double, made.home), "ROLLOUT__DIFY__SERVICES": '["api_websocket"]'}
    server: SshServer | None = None
    if where == "ssh":
        path = f"SetEnv PATH={chosen.pop('PATH')}"
        folder = tmp_path_factory.mktemp("sshd")
        server = sshd.start(folder, free_ports(1)[0], NOBODY, env=path)
        chosen |= {
            "ROLLOUT__NODES__ADMIN": "node",
            "ROLLOUT__NODES__DIFY": '["node"]',
            "ROLLOUT__NODES__SSH_CONFIG": server.config,
        }
    site = Machine(made.home, {**made.variables, **chosen})
    try:
        yield Pigsty(site, double, server)
    finally:
        site.rollout("down", "staging", "--yes", check=False)
        if server:
            server.stop()
        double.remove()


@pytest.fixture(scope="module")
def first(pigsty: Pigsty) -> subprocess.CompletedProcess[str]:
    """The deploy from an empty tree: nothing configured, nothing installed."""
    return pigsty.machine.rollout("deploy", "staging")


def test_the_whole_recipe_runs_and_is_proved(first: Any, pigsty: Pigsty) -> None:
    machine, double = pigsty.machine, pigsty.double
    assert "checks passed" in first.stderr
    assert "https://" in first.stdout and "REHEARSAL" in first.stdout
    assert (double.tree / "pigsty.yml").stat().st_mode & 0o777 == 0o600
    password = machine.rollout("secrets", "staging", "postgres_password").stdout.strip()
    assert password in (double.tree / "pigsty.yml").read_text()
    assert password not in first.stderr + first.stdout
    assert not double.path("/pg/tmp/pg-user-dbuser_dify.sql").exists()


def test_a_second_deploy_changes_nothing_and_restarts_nothing(first: Any, pigsty: Pigsty) -> None:
    machine, double = pigsty.machine, pigsty.double
    services = ("postgres", "nginx", "redis-dify-1-6379")
    before = double.journal(), [double.pid(service) for service in services]
    text = (double.tree / "pigsty.yml").read_bytes()
    done = machine.json("deploy", "staging")
    assert done["changes"] == 0
    assert [step["step"] for step in done["steps"]] == list(STEPS[1:-1])
    assert (double.journal(), [double.pid(service) for service in services]) == before
    assert None not in before[1]
    assert (double.tree / "pigsty.yml").read_bytes() == text


def test_from_here_and_over_ssh_the_same_is_seen(first: Any, pigsty: Pigsty) -> None:
    path = {"PATH": f"{pigsty.double.programs}:{os.environ['PATH']}"}
    assert pigsty.machine.json("plan", "staging", **LOCAL, **path)["changes"] == []


def test_the_playbooks_words_are_in_the_runs_log(first: Any, pigsty: Pigsty) -> None:
    assert "install: task 1: ca : create ca private key and certificate" in first.stderr
    assert "PLAY RECAP" in first.stderr


def test_a_run_cut_off_in_a_playbook_is_finished_by_the_next(first: Any, pigsty: Pigsty) -> None:
    """Over SSH the connection is lost, which is told in one sentence; here the run is killed."""
    drop_plugin_database(pigsty.double)
    status, said = cut_off(pigsty, after="pgsql: task 1: ")
    if pigsty.ssh:
        assert status == 1
        assert "error: node: the connection broke off during: " in said
        assert "do: run it again when the node is back, it resumes" in said
        assert "Traceback" not in said
    else:
        assert status == -signal.SIGKILL
    assert "checks passed" in pigsty.machine.rollout("deploy", "staging").stderr
    assert pigsty.machine.json("deploy", "staging")["changes"] == 0


def cut_off(pigsty: Pigsty, after: str) -> tuple[int, str]:
    """How a deploy ended that was cut off when it said that, and what it said."""
    run = subprocess.Popen(
        [str(ROLLOUT), "deploy", "staging"],
        cwd=ROOT,
        env={**os.environ, **pigsty.machine.variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    for line in run.stderr or ():
        if after in line and not any(after in known for known in lines):
            cut = pigsty.ssh.drop_connections if pigsty.ssh else run.kill
            cut()
        lines.append(line)
    return run.wait(), "".join(lines)


def drop_plugin_database(double: Double) -> None:
    psql = double.folder / "pgsql/x/pginstall/bin/psql"
    words = (psql, "-h", double.path("/pg/run"), "-U", "postgres", "-c")
    subprocess.run((*words, "DROP DATABASE dify_plugin WITH (FORCE)"), check=True)
