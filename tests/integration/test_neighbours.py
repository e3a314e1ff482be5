"""Random neighbours on a real PostgreSQL and Docker Engine are refused, and never touched."""

import io
import tarfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from config.errors import StepError
from tasks.core.first_use import require_unused
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.sandbox import postgres
from tasks.steps.containers import down

FEW = settings(max_examples=5, deadline=None, derandomize=True, database=None)
OWN = {"database": "alembic_version", "plugin_database": "plugins"}


@dataclass(frozen=True)
class Neighbour:
    """Its role, database and table; empty names are the environment's own."""

    role: str
    database: str
    table: str

    def named(self, site: Site) -> "Neighbour":
        own = site.environment.postgres
        known = {"": own.user, "database": own.database, "plugin_database": own.plugin_database}
        return Neighbour(known.get(self.role, self.role), known.get(self.database, self.database),
                         self.table)  # fmt: skip

    @property
    def in_the_way(self) -> set[str]:
        """The keys of the environment that name a place of it."""
        found = {f"postgres.{key}" for key in OWN if (self.database, self.table) == (key, OWN[key])}
        return found | ({"postgres.user"} if (self.role, self.database) == ("", "crm") else set())


neighbours = st.builds(
    Neighbour,
    role=st.sampled_from(["", "stranger"]),
    database=st.sampled_from([*OWN, "crm"]),
    table=st.sampled_from([*OWN.values(), "invoices"]),
)


@pytest.fixture(scope="module")
def site(module_sandbox_site: Any) -> Site:
    made: Site = module_sandbox_site("neighbours")
    for step in postgres.server_steps(made):
        converge(step)
    return made


@contextmanager
def settled(site: Site, found: Neighbour) -> Generator[None]:
    """The neighbour lives on the server."""
    role, database, table = map(sql.Identifier, (found.role, found.database, found.table))
    with postgres.administrator(site) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'other-password'").format(role))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
    with postgres.administrator(site, found.database) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} AS SELECT 7 AS n").format(table))
    try:
        yield
    finally:
        with postgres.administrator(site) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(database))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def server(site: Site, found: Neighbour) -> list[Any]:
    """Roles with their passwords, databases with their owners, and the neighbour's row."""
    with postgres.administrator(site) as connection:
        roles = connection.execute("SELECT * FROM pg_authid ORDER BY oid").fetchall()
        owners = connection.execute("SELECT datname, datdba FROM pg_database").fetchall()
    with postgres.administrator(site, found.database) as connection:
        table = sql.Identifier(found.table)
        return [roles, owners, connection.execute(sql.SQL("TABLE {}").format(table)).fetchall()]


@FEW
@given(neighbours)
def test_a_neighbour_on_the_server_is_refused_where_it_is_in_the_way(
    site: Site, one: Neighbour
) -> None:
    found = one.named(site)
    with settled(site, found):
        before = server(site, found)
        with pytest.raises(StepError) if one.in_the_way else nullcontext() as refused:
            require_unused(site)
        if refused:
            said = refused.value.cause.splitlines()[1:]
            assert {line.strip().partition(":")[0] for line in said} == one.in_the_way
            assert ".toml to others" in refused.value.advice
            assert "rollout adopt" in refused.value.advice
        assert server(site, found) == before


@pytest.fixture(scope="module")
def image() -> Generator[str]:
    """Of no file."""
    content, name = io.BytesIO(), f"dify-neighbours:{uuid.uuid4().hex[:8]}"
    tarfile.open(fileobj=content, mode="w").close()
    docker.from_env().api.import_image_from_data(content.getvalue(), *name.split(":"))
    yield name
    docker.from_env().images.remove(name)


@FEW
@given(own=st.booleans(), folder=st.sampled_from(["/opt/crm", "/root/dify/docker", "/srv/a b"]))
def test_containers_of_a_neighbour_stay_whatever_is_taken_down(
    site: Site, image: str, own: bool, folder: str
) -> None:
    project = site.environment.dify.project if own else f"crm-{uuid.uuid4().hex[:8]}"
    labels = {
        "com.docker.compose.project": project,
        "com.docker.compose.project.working_dir": folder,
        "com.docker.compose.service": "api",
        "com.docker.compose.oneoff": "False",
    }
    container = docker.from_env().containers.create(image, ["true"], labels=labels)
    try:
        if own:
            with pytest.raises(StepError, match=f"is another stack's, of {folder}") as refused:
                down(site)
            assert "to another name" in refused.value.advice
            assert "rollout adopt" in refused.value.advice
        else:
            down(site)
        container.reload()
        assert container.status == "created"
    finally:
        container.remove(force=True)
