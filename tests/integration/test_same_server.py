"""PostgreSQL and Redis of two sites are one server or two, whatever their addresses say."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.adoption.same_server import is_one_postgres, is_one_redis
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox.redis import server_steps
from tests.integration.test_pgbouncer import OPTIONS, folder, pgbouncer, server
from tests.integration.test_postgres_as_found import bare_server, given
from tests.ports import free_ports

__all__ = ["folder", "server"]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_before_postgresql_is_that_postgresql(
    server: Site, folder: Path, mode: str
) -> None:
    """As 6432, 5433 and 5436 of Pigsty lead to the PostgreSQL at 5432."""
    there, named = given(server), given(server, host="localhost")
    assert is_one_postgres(there, there) and is_one_postgres(named, there)
    with pgbouncer(folder, server, mode, OPTIONS) as port:
        pooled = given(server, port=port)
        assert is_one_postgres(pooled, there) and is_one_postgres(there, pooled)


def test_the_own_role_and_databases_need_not_be_there(server: Site) -> None:
    there = given(server)
    own = given(server, host="localhost", user="own", database="own", plugin_database="own_plugin")
    made_up = own.replace(secrets={**own.secrets, "postgres_password": SecretStr("nobody's")})
    assert is_one_postgres(made_up, there)


def test_another_postgresql_is_another_one(server: Site, module_sandbox_site: Any) -> None:
    """Whether it lets in who may not know it, refuses, or is not there yet."""
    there, other = given(server), bare_server(module_sandbox_site("other"))
    assert not is_one_postgres(given(other), there)
    (port,) = free_ports(1)
    assert not is_one_postgres(given(server, port=port), there)


def test_a_postgresql_that_does_not_say_counts_by_its_address(server: Site) -> None:
    there = given(server)
    shut = there.replace(secrets={**there.secrets, "postgres_password": SecretStr("wrong")})
    assert is_one_postgres(there, shut)
    assert not is_one_postgres(given(server, host="localhost"), shut)


def test_redis_is_asked_which_it_is(module_sandbox_site: Any) -> None:
    there, other = module_sandbox_site("queues"), module_sandbox_site("others")
    for step in [*server_steps(there), *server_steps(other)]:
        converge(step)
    assert is_one_redis(at(there, "localhost"), there) and not is_one_redis(other, there)
    same_password = other.replace(secrets=there.secrets)
    assert not is_one_redis(same_password, there)
    shut = there.replace(secrets={**there.secrets, "redis_password": SecretStr("wrong")})
    assert is_one_redis(there, shut) and not is_one_redis(at(there, "localhost"), shut)


def at(site: Site, host: str) -> Site:
    redis = site.environment.redis.model_copy(update={"host": host})
    return site.replace(environment=site.environment.model_copy(update={"redis": redis}))
