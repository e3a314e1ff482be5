"""A port of the machine that another service of the stack holds from now on.

Compose has removed what it makes anew before it starts anything.
"""

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from config.environment.dify import DIRECT_PORTS
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.compose import compose_steps
from tasks.steps.docker import compose_prefix
from tasks.steps.settings import settings_steps
from tasks.tools import compose
from tests.integration.stack import deploy, deployed

HOLDERS = ("api", "web")


@pytest.fixture(scope="module")
def stack(module_sandbox_site: Any) -> Generator[Site]:
    """Its portal leads to each service."""
    with deployed(module_sandbox_site, "1.15.0", (), portal={"route": "services"}) as site:
        yield site


def ports(site: Site) -> dict[str, set[int]]:
    """Service → ports of the machine that lead into its container."""
    docker = site.docker
    found = {
        one.service: docker.client.api.inspect_container(one.id)["HostConfig"]["PortBindings"]
        for one in docker.containers(site.environment.dify.project)
    }
    return {
        name: {int(each["HostPort"]) for way in bound.values() for each in way}
        for name, bound in found.items()
        if bound
    }


def hold_each_its_own(site: Site) -> None:
    """As it was before nginx held them."""
    home, dify = site.environment.dify.home, site.environment.dify
    yaml, file = YAML(typ="safe"), home / "compose.yaml"
    tree = yaml.load(file.read_text())
    tree["services"].pop("nginx")
    for name in HOLDERS:
        bound = f"{dify.bind}:{dify.direct_port(name)}:{DIRECT_PORTS[name]}"
        tree["services"][name]["ports"] = [bound]
    with file.open("w") as opened:
        yaml.dump(tree, opened)
    for one in site.docker.containers(dify.project):
        if one.service == "nginx":
            site.docker.stop(one.id)
            site.docker.remove(one.id)
    site.node.run(compose.up(compose_prefix(site.node), home, wait_s=120))


@pytest.mark.long
def test_who_held_it_goes_before_it_is_given_to_another(stack: Site) -> None:
    deploy(stack)
    wanted = ports(stack)
    assert set(wanted) & {"nginx", *HOLDERS} == {"nginx"}
    hold_each_its_own(stack)
    assert set(ports(stack)) & {"nginx", *HOLDERS} == set(HOLDERS)
    steps = [step for build in (settings_steps, compose_steps) for step in build(stack)]
    assert [change for step in steps for change in converge(step).changes]
    assert ports(stack) == wanted
    direct = [stack.environment.dify.direct_port(name) for name in HOLDERS]
    answers = [httpx.get(f"http://127.0.0.1:{port}/", trust_env=False) for port in direct]
    assert all(answer.status_code < httpx.codes.BAD_GATEWAY for answer in answers)
    assert deploy(stack) == []
