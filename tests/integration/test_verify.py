"""Verification of a whole private stack: that it passes, and that it sees what is broken."""

import os
import random
import ssl
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.dify import Dify
from blocks.docker import Docker
from tasks.checks import portal
from tasks.checks.application import PREFIX, Trial
from tasks.checks.containers import CONTAINERS
from tasks.compose import compose_steps, down
from tasks.docker import docker_steps
from tasks.images import images_steps
from tasks.migrate import migrate_steps
from tasks.pgsql import dify_database, pgsql_steps
from tasks.portal import portal_steps
from tasks.redis import dify_redis, redis_steps
from tasks.sandbox import nginx
from tasks.settings import settings_steps
from tasks.site import Site
from tasks.step import converge
from tasks.verify import Check, failed, verify

BRIDGE = "172.17.0.1"
ORDER: list[Callable[[Site], Sequence[Any]]] = [
    docker_steps,
    pgsql_steps,
    redis_steps,
    images_steps,
    settings_steps,
    migrate_steps,
    compose_steps,
    portal_steps,
]


@pytest.fixture(scope="module", params=["1.15.0"])
def stack(request: pytest.FixtureRequest, module_sandbox_site: Any) -> Generator[Site]:
    """A deployed sandbox of the release; nobody has set Dify up yet."""
    site: Site = module_sandbox_site(
        postgres={"host": BRIDGE},
        redis={"host": BRIDGE},
        dify={"release": request.param, "subnet": f"172.29.{random.randint(100, 250)}.0/24"},
        images={"source": "rehearsal"},
    )
    try:
        for build in ORDER:
            for step in build(site):
                converge(step)
        yield site
    finally:
        down(site)
        nginx.stop(site)


@pytest.fixture
def dify(stack: Site) -> Generator[Dify]:
    """Dify, with the administrator logged in."""
    environment = stack.environment
    with Dify(
        environment.public_url,
        stack.release.api,
        verify=portal.trust(environment),
        resolve=portal.address(environment),
    ) as client:
        client.login(environment.dify.admin_email, stack.secret("admin_password"))
        yield client


def by_name(checks: Sequence[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def wrong(checks: Sequence[Check]) -> dict[str, str]:
    """Name → detail of what failed by itself."""
    return {check.name: check.detail for check in checks if not check.ok and check.checked}


def test_a_new_stack_passes_is_set_up_and_passes_again(stack: Site):
    heard: list[str] = []
    first = verify(stack, deep=True, on_check=lambda check: heard.append(check.name))
    assert wrong(first) == {}
    assert failed(first) is None
    assert sorted(heard) == sorted(check.name for check in first)
    assert by_name(first)["Dify is set up"].detail.startswith("now")
    second = verify(stack, deep=True)
    assert wrong(second) == {}
    assert by_name(second)["Dify is set up"].detail == "already"
