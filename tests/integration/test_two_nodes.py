"""One Dify on two machines, each with an engine of its own, both over SSH."""

import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.docker import Docker
from config.environment import Environment
from config.load import load_release
from tasks.core.site import Site
from tasks.core.step import Outcome, converge
from tasks.probes.engine import ask_all
from tasks.probes.verify import containers
from tasks.steps.containers import down
from tests.integration import elsewhere, stack
from tests.integration.sshd import SshServer

STEPS = stack.STEPS[:-1]  # the portal is not theirs


@pytest.fixture(scope="module")
def servers(module_sandbox_site: Any) -> Site:
    """PostgreSQL and Redis of a sandbox, which admit both machines, and the rehearsal images."""
    site: Site = module_sandbox_site(
        postgres={"host": stack.BRIDGE},
        redis={"host": stack.BRIDGE},
        dify={"subnet": "172.30.60.0/22"},
        images={"source": "rehearsal"},
    )
    for build in STEPS[:4]:
        for step in build(site):
            converge(step)
    return site


@pytest.fixture(scope="module")
def home() -> Generator[Path]:
    """The folder of the stack, which is another one on each machine."""
    with tempfile.TemporaryDirectory(prefix="rollout-home-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def second(os_users: Mapping[str, str], home: Path) -> Generator[SshServer]:
    """Another machine, which has nothing."""
    with (
        tempfile.TemporaryDirectory(prefix="rollout-second-", dir="/var/lib") as name,
        elsewhere.second(Path(name), os_users, home) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def two(servers: Site, ssh_server: SshServer, second: SshServer, home: Path) -> Generator[Site]:
    """The API on both machines, the scheduler on one."""
    config = home.with_name(home.name + "-ssh")
    config.write_text(
        f"Host second\n    HostName {elsewhere.THERE}\n    Port {second.port}\n    User root\n"
        f"    IdentityFile {second.folder}/key\n    IdentitiesOnly yes\n"
        f"    UserKnownHostsFile {second.folder}/known_hosts\n"
        f"Match all\nInclude {ssh_server.config}\n"
    )
    tree = servers.environment.model_dump()
    tree["platform"]["kind"] = "external"
    tree["images"]["source"] = "registry"
    tree["nodes"] |= {"dify": ["node"], "ssh_config": str(config)}
    tree["portal"]["route"] = "services"
    tree["dify"] |= {"home": home / "stack", "data": home / "data", "subnet": "172.30.60.0/24"}
    valid = Environment.model_validate(tree)
    nodes = {"dify": ["node", "second"], "addresses": [stack.BRIDGE, elsewhere.THERE]}
    # Two nodes need uploads in S3, and images from a registry: neither is what this is about.
    environment = valid.model_copy(
        update={
            "nodes": valid.nodes.model_copy(update=nodes),
            "images": valid.images.model_copy(update={"source": "rehearsal"}),
        }
    )
    release = load_release(environment.dify.release)
    few = {name: release.services[name] for name in ("api", "worker_beat", "nginx")}
    site = Site(environment, release.model_copy(update={"services": few}), servers.secrets)
    try:
        yield site
    finally:
        down(site)
        config.unlink()


@pytest.fixture(scope="module")
def first(two: Site) -> list[str]:
    return changes(rollout(two))


def rollout(site: Site) -> list[Outcome]:
    return [converge(step) for build in STEPS for step in build(site)]


def changes(outcomes: list[Outcome]) -> list[str]:
    return [change.what for outcome in outcomes for change in outcome.changes]


def services(site: Site, docker: Docker) -> set[str]:
    return {c.service for c in docker.containers(site.environment.dify.project) if c.ready}


def test_each_machine_gets_the_stack_and_the_schema_is_migrated_once(
    two: Site, first: list[str]
) -> None:
    here, there = two.on_each()
    assert services(two, here.docker) == {"api", "worker_beat", "nginx"}
    assert services(two, there.docker) == {"api", "nginx"}
    assert services(two, Docker()) == {"api", "worker_beat", "nginx"}
    assert {"node: start api", "second: start api", "node: start worker_beat"} <= set(first)
    assert first.count("migrate the schema") == 1


def test_each_answers_at_its_own_address(two: Site, first: list[str]) -> None:
    for address in two.environment.nodes.addresses:
        url = f"http://{address}:{two.environment.dify.direct_port('api')}/health"
        assert httpx.get(url, trust_env=False, timeout=10).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{two.environment.dify.direct_port('api')}", trust_env=False)


def test_the_checks_look_at_both(two: Site, first: list[str]) -> None:
    checks = {c.probe: c for c in ask_all(containers.probes(two, deep=False), patience=1)}
    assert checks[containers.CONTAINERS].said == "5 containers on 2 nodes"
    assert all(check.ok for check in checks.values())


def test_what_one_machine_lacks_is_made_good_there_alone(two: Site, first: list[str]) -> None:
    there = two.on_each()[1]
    found = there.docker.containers(two.environment.dify.project)
    (api,) = [one for one in found if one.service == "api"]
    there.docker.remove(api.id)
    checks = ask_all(containers.probes(two, deep=False), patience=1)
    assert "api is missing on second" in [check.said for check in checks]
    assert changes(rollout(two)) == ["second: start api"]
    assert changes(rollout(two)) == []
