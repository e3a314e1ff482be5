"""Every part of Dify logs in as the user that a given Redis has for it."""

import re
from typing import Any, cast

import pytest

from clients.waiting import until
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.compose import compose_steps
from tasks.steps.redis import dify_redis
from tasks.steps.settings import settings_steps
from tests.integration import stack
from tests.integration.test_revisions import states


@pytest.mark.long
def test_nobody_but_the_acl_user_is_connected(module_sandbox_site: Any) -> None:
    with stack.deployed(module_sandbox_site, "1.16.1", ("api_websocket", "agent")) as made:
        site = given(made, user="dify@1")
        password = site.secret("redis_password")
        with dify_redis(made).client() as opened:
            client: Any = opened
            words = ("on", f">{password}", "~*", "&*", "+@all", "-@admin", "+client|list")
            client.execute_command("ACL", "SETUSER", "dify@1", *words)
        for step in [*settings_steps(site), *compose_steps(site)]:
            converge(step)
        with dify_redis(made).client() as opened:
            cast(Any, opened).execute_command("ACL", "SETUSER", "default", "off")
        assert all(state.endswith((" healthy", " ")) for state in states(site).values())
        assert until(lambda: connected(site) == ({"dify@1"}, True), within_s=60, every_s=1)


def connected(site: Site) -> tuple[set[str], bool]:
    """Whose connections there are, and whether a worker waits for jobs."""
    with dify_redis(site).client() as opened:
        client: Any = opened
        clients = str(client.execute_command("CLIENT", "LIST", parse=False))
    return set(re.findall(r"'?user'?[=:] ?'?([^\s',]+)", clients)), "brpop" in clients


def given(site: Site, **redis: Any) -> Site:
    environment = site.environment
    platform = environment.platform.model_copy(update={"kind": "external"})
    changed = {"redis": environment.redis.model_copy(update=redis), "platform": platform}
    return Site(environment.model_copy(update=changed), site.release, site.secrets)
