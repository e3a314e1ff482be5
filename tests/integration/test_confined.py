"""Containers of real stacks may do what their service needs, and nothing else."""

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from clients.docker import Incomplete
from config.desired.services import active
from tasks.core.site import Site
from tasks.probes.verify.run import failed, verify
from tests.integration.stack import deployed
from tests.long import long

ROOTS = {"sandbox", "plugin_daemon"}  # their images know no other user


@pytest.fixture(scope="module", params=["1.17.1", long("1.15.0"), long("1.13.3"), "0.6.11"])
def stack(request: Any, module_sandbox_site: Any) -> Generator[Site]:
    services = ("api_websocket", "agent")
    with deployed(
        module_sandbox_site, request.param, services=services, name=request.param
    ) as site:
        yield site


@pytest.fixture(scope="module")
def containers(stack: Site) -> dict[str, Any]:
    """What the engine says of the running container of each service."""
    found = stack.docker.containers(stack.environment.dify.project)
    return {c.service: stack.docker.client.api.inspect_container(c.id) for c in found}


def test_a_confined_stack_works(stack: Site):
    checks = verify(stack, deep=True)
    assert failed(checks) is None
    assert len(checks) > 13


def test_every_service_is_confined_as_the_release_says(stack: Site, containers: dict[str, Any]):
    services = active(stack.environment, stack.release)
    assert set(containers) == set(services)
    for name, service in services.items():
        host = containers[name]["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        added = {word.removeprefix("CAP_") for word in host["CapAdd"] or ()}
        assert added == set(service.capabilities)
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["ReadonlyRootfs"] is service.read_only
        assert set(host.get("Tmpfs") or {}) == set(service.tmpfs)
        assert host["PidsLimit"] == service.pids
        assert host["Memory"] == service.memory_mb * 1024**2
        assert host["LogConfig"]["Config"] == {"max-file": "5", "max-size": "20m"}
        assert not host["Privileged"]
        assert host["NetworkMode"] not in ("host", "bridge")


def test_memory_is_not_extended_by_swap(stack: Site, containers: dict[str, Any]):
    if not stack.docker.info()["SwapLimit"]:
        pytest.skip("this kernel does not count swap")
    for found in containers.values():
        assert found["HostConfig"]["MemorySwap"] == found["HostConfig"]["Memory"]


def test_only_images_without_another_user_run_as_root(stack: Site, containers: dict[str, Any]):
    old = {"api", "worker"} if stack.release.version == "0.6.11" else set[str]()
    roots = {name for name, found in containers.items() if _user(found) in ("", "0", "root")}
    assert roots <= ROOTS | old


def test_nothing_runs_with_more_than_was_given(stack: Site, containers: dict[str, Any]):
    """What the kernel says of the first process, and of what the engine starts in there."""
    script = "cat /proc/1/status /proc/self/status"
    for name, service in active(stack.environment, stack.release).items():
        said = stack.docker.inside(containers[name]["Id"], ["sh", "-c", script])
        lines = [line.split() for line in said.splitlines()]
        bounds = {int(line[1], 16) for line in lines if line[0] == "CapBnd:"}
        assert {bound.bit_count() for bound in bounds} == {len(service.capabilities)}
        assert {line[1] for line in lines if line[0] == "NoNewPrivs:"} == {"1"}


def test_a_read_only_container_cannot_be_written(stack: Site, containers: dict[str, Any]):
    for name, service in active(stack.environment, stack.release).items():
        words = ["sh", "-c", "touch /var/x 2>&1; rm -f /var/x; touch /tmp/x && rm /tmp/x; echo $?"]
        said = stack.docker.inside(containers[name]["Id"], words)
        assert ("Read-only file system" in said) is service.read_only
        assert said.rstrip().endswith("0")


def test_an_answer_that_lacks_a_line_is_asked_for_again(containers: dict[str, Any], stack: Site):
    inside = partial(stack.docker.inside, containers["api"]["Id"])
    once_more = "echo one; test ! -e /tmp/asked || echo two; touch /tmp/asked"
    assert inside(["sh", "-c", once_more], lines=2) == "one\ntwo\n"
    with pytest.raises(Incomplete, match=r"^sh in [0-9a-f]+ printed 1 of 2 lines, 3 times$"):
        inside(["sh", "-c", "echo one; printf half"], lines=2)
    with pytest.raises(Incomplete, match="printed nothing, 3 times"):
        inside(["true"])


def _user(found: Any) -> str:
    return str(found["Config"]["User"]).partition(":")[0]
