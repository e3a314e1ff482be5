"""The whole flow where every machine is over SSH, on a Pigsty of version 2.7."""

import json
import logging
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from flows.deploy import deploy
from tasks.core.site import Site, without_secrets
from tasks.steps.containers import down
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import login, processes
from tests.integration.sshd import SshServer
from tests.pigsty.double.settings import variables
from tests.ports import free_ports

PROJECT = "dify-ssh"
# Up to Dify's containers.
STATE = ["preflight", "bootstrap", "configure", "install", "pgsql", "redis", "portal", "hosts"]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def ssh(
    prefect: None,
    old_double: PigstyDouble,
    os_users: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[SshServer]:
    """Selects the environment: nothing of it is on this machine."""
    with login(old_double, os_users) as server, pytest.MonkeyPatch.context() as patch:
        chosen = variables(old_double, tmp_path_factory.mktemp("home"))
        del chosen["PATH"]
        chosen |= {
            "ROLLOUT__NODES__ADMIN": "node",
            "ROLLOUT__NODES__DIFY": json.dumps(["node"]),
            "ROLLOUT__NODES__SSH_CONFIG": server.config,
            "ROLLOUT__DIFY__PROJECT": PROJECT,
            "ROLLOUT__DIFY__SUBNET": "172.30.69.0/24",
            "ROLLOUT__DIFY__PORT": str(free_ports(1)[0]),
        }
        for name, value in chosen.items():
            patch.setenv(name, value)
        yield server
        down(without_secrets("staging"))


class Away(logging.Handler):
    """The server goes away for a while when the run says that for the first time."""

    def __init__(self, server: SshServer, after: str, seconds: float) -> None:
        super().__init__()
        self.server, self.after, self.seconds = server, after, seconds
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        if self.after and self.after in record.getMessage():
            self.after = ""
            self.server.away(self.seconds)


def rollout(only: list[str]) -> Any:
    """The report, or what stopped it."""
    state = deploy(environment="staging", only=only, return_state=True)
    return state.result(raise_on_failure=False)


@pytest.mark.long
def test_a_node_that_is_away_in_a_playbook_is_waited_for_with_the_lock(
    ssh: SshServer, old_double: PigstyDouble
) -> None:
    away = Away(ssh, after="pgsql: task 1: ", seconds=20)
    logging.getLogger("rollout").addHandler(away)
    try:
        done = rollout(STATE)
    finally:
        logging.getLogger("rollout").removeHandler(away)
    assert done.changes > 0, done
    attempts = [line for line in away.said if line.startswith("attempt ")]
    assert attempts and all("node" in line for line in attempts)
    assert away.said.count("node: the connection broke off; the lock is held again") == 1
    before = processes(old_double), (old_double.tree / "pigsty.yml").read_bytes()
    assert len(before[0][0]) == len(set(before[0][0])), "something was started twice"
    again = rollout(STATE)
    assert again.changes == 0
    assert (processes(old_double), (old_double.tree / "pigsty.yml").read_bytes()) == before


def containers(site: Site) -> dict[str, str]:
    return {each.service: each.id for each in site.docker.containers(PROJECT)}


def test_dify_is_deployed_and_proved_there(ssh: SshServer, old_double: PigstyDouble) -> None:
    done = rollout([])
    assert done.checks and all(check.ok for check in done.checks), done
    site = without_secrets("staging")
    assert site.node.name == "node"
    before = containers(site), processes(old_double)
    site.docker.remove(before[0]["web"])
    mended = rollout([])
    assert [outcome.step for outcome in mended.outcomes if outcome.changes] == ["compose"]
    after = containers(site), processes(old_double)
    assert {name for name in before[0] if before[0][name] != after[0][name]} == {"web"}
    assert after[1] == before[1]
    assert rollout([]).changes == 0
    assert (containers(site), processes(old_double)) == after
