"""A rollout on a machine that is reached over SSH only; its state is somebody else's."""

import threading
import time
from collections.abc import Generator
from typing import Any

import pytest

from clients.docker import Docker
from clients.node import ConnectionLost
from clients.ssh import SshNode
from config.environment import Environment
from config.load import load_release
from config.rules.finding import Finding
from tasks.core.lock import lock_file, rollout_lock
from tasks.core.site import Site
from tasks.core.step import Outcome, converge
from tasks.probes.engine import ask_all
from tasks.probes.preflight.checks import preflight, require
from tasks.probes.verify import containers, state
from tasks.steps.containers import down
from tests.integration import stack
from tests.integration.load import load
from tests.integration.sshd import SshServer
from tests.subnets import free_subnet

SUBNET = free_subnet()
STEPS = stack.STEPS[:-1]  # the portal is not theirs


@pytest.fixture(scope="module")
def servers(module_sandbox_site: Any) -> Site:
    """PostgreSQL and Redis of a sandbox, and the rehearsal images."""
    site: Site = module_sandbox_site(
        postgres={"host": stack.BRIDGE},
        redis={"host": stack.BRIDGE},
        dify={"subnet": SUBNET},
        images={"source": "rehearsal"},
    )
    for build in STEPS[:4]:
        for step in build(site):
            converge(step)
    return site


@pytest.fixture(scope="module")
def remote(
    servers: Site, ssh_server: SshServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Site]:
    """The same Dify, where nothing is local."""
    home = tmp_path_factory.mktemp("node")
    tree = servers.environment.model_dump()
    tree["platform"]["kind"] = "external"
    tree["images"]["source"] = "registry"
    tree["nodes"] |= {"dify": ["node"], "ssh_config": ssh_server.config}
    tree["nodes"]["free_gb"] = {"disk": 0.1, "memory": 0.1}
    tree["dify"] |= {"home": home / "stack", "data": home / "data"}
    valid = Environment.model_validate(tree)
    # No registry is at hand here; outside a sandbox nobody may run rehearsals.
    images = valid.images.model_copy(update={"source": "rehearsal"})
    environment = valid.model_copy(update={"images": images})
    site = Site(environment, load_release(environment.dify.release), servers.secrets)
    try:
        yield site
    finally:
        down(site)


@pytest.fixture(scope="module")
def first(remote: Site) -> list[Outcome]:
    require(preflight(remote))
    return rollout(remote)


def rollout(site: Site) -> list[Outcome]:
    return [converge(step) for build in STEPS for step in build(site)]


def changes(outcomes: list[Outcome]) -> list[str]:
    return [change.what for outcome in outcomes for change in outcome.changes]


def wrong(site: Site) -> list[Finding]:
    probes = [*state.probes(site, deep=True), *containers.probes(site, deep=True)]
    return [each for each in ask_all(probes, patience=1) if each.bad]


def test_the_stack_runs_there(remote: Site, first: list[Outcome]) -> None:
    assert isinstance(remote.node, SshNode)
    assert "migrate the schema" in changes(first)
    assert "start api" in changes(first)
    assert wrong(remote) == []


def test_a_second_rollout_changes_nothing_and_is_quick(remote: Site, first: list[Outcome]) -> None:
    began = time.monotonic()
    assert changes(rollout(remote)) == []
    assert time.monotonic() - began < 30


def test_the_preflight_knows_its_own_containers_there(remote: Site, first: list[Outcome]) -> None:
    findings = {finding.probe: finding for finding in preflight(remote)}
    assert findings["dify.port"].ok
    assert findings["postgres"].said.endswith("answers")


def test_a_connection_lost_in_the_middle_of_a_step_is_said_and_a_rerun_finishes(
    remote: Site, first: list[Outcome], ssh_server: SshServer
) -> None:
    docker, project = Docker(), remote.environment.dify.project
    (api,) = (c for c in docker.containers(project) if c.service == "api")
    docker.remove(api.id)

    def break_off() -> None:
        while not any(
            "compose" in line and " up " in line for line in ssh_server.running().values()
        ):
            time.sleep(0.01)
        ssh_server.drop_connections()

    threading.Thread(target=break_off, daemon=True).start()
    with pytest.raises(ConnectionLost, match=r"broke off during: .* up .*\n.*it resumes"):
        rollout(remote)
    rollout(remote)
    assert wrong(remote) == []
    assert changes(rollout(remote)) == []


@pytest.mark.long
def test_a_new_api_takes_over_there_and_no_request_fails(
    remote: Site, first: list[Outcome]
) -> None:
    dify = remote.environment.dify
    other = dify.model_copy(update={"log_level": "DEBUG"})
    site = remote.replace(environment=remote.environment.model_copy(update={"dify": other}))
    with load(f"http://127.0.0.1:{dify.port}", ("/console/api/setup", "/install")) as counted:
        done = changes(rollout(site))
        done += changes(rollout(remote))
    assert counted.failed == {}
    assert done.count("start a new api beside the old one") == 2


def test_two_workers_cannot_change_it_at_once(remote: Site, ssh_server: SshServer) -> None:
    path = lock_file(remote.environment)
    another = SshNode("node", config=ssh_server.config)
    with rollout_lock(remote.node, path, environment="prod", run="one"):
        for node in (another, remote.node):
            with (
                pytest.raises(Exception, match=r"prod is being changed by .* run one"),
                rollout_lock(node, path, environment="prod", run="two"),
            ):
                pass
