"""A Prefect server of the sandbox that does not come up says why."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox.prefect import prefect_steps
from tests.ports import free_ports

PASSWORD, LOGIN = "database password/1", "admin:login-of-the-server"


def test_the_server_says_what_it_ended_with(sandbox_site: Callable[..., Site]) -> None:
    nobody, own = free_ports(2)
    site = sandbox_site(postgres={"port": nobody}, sandbox={"prefect_port": own})
    (step,) = prefect_steps(site, SecretStr(PASSWORD), SecretStr(LOGIN))
    with pytest.raises(StepError, match="the server ended as soon as it was started\n") as failed:
        converge(step)
    said = str(failed.value)
    assert "Application startup failed" in said
    assert "server.log" in (failed.value.advice or "")
    assert not [each for each in (PASSWORD, LOGIN) if each in said]
