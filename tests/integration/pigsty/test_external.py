"""Given connections: a PostgreSQL with an administrator we are given, or without one."""

from typing import Any

import pytest
from pydantic import SecretStr

from config.errors import StepError
from config.secrets import POSTGRES_ADMIN, required
from tasks.core import secret_file
from tasks.core.first_use import require_unused
from tasks.core.site import Site
from tasks.steps.pgsql import dify_database
from tasks.steps.table import PARTS
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import deploy


def given(double: PigstyDouble, admin: str, password: str) -> Site:
    """The double's PostgreSQL as somebody else's, which knows nothing of us."""
    names: dict[str, Any] = {"user": "given_dify", "database": "given", "plugin_database": "given2"}
    site = double.site(
        platform={"kind": "external"},
        postgres={"host": double.addresses[0], "port": 5432, "admin": admin, **names},
    )
    return Site(
        site.environment, site.release, {**site.secrets, POSTGRES_ADMIN: SecretStr(password)}
    )


@pytest.fixture
def open_to_all(double: PigstyDouble) -> None:
    """Its administrator admits our role."""
    double.admit("given_dify")


def test_an_administrator_makes_role_databases_and_extensions(
    double: PigstyDouble, open_to_all: None
):
    site = given(double, "dbuser_dba", "DBUser.DBA")
    assert POSTGRES_ADMIN in required(site.environment, site.release)
    assert deploy(site, [PARTS["pgsql"]]) == [
        "create role given_dify",
        "create database given",
        "close database given to other roles",
        "add extension uuid-ossp to given",
        "add extension vector to given",
        "create database given2",
        "close database given2 to other roles",
        "add extension uuid-ossp to given2",
    ]
    assert deploy(site, [PARTS["pgsql"]]) == []
    with dify_database(site).connect() as connection:
        assert connection.execute("SELECT '[1]'::vector").fetchone()


def test_an_administrator_who_may_not_is_told_in_a_sentence(
    double: PigstyDouble, open_to_all: None
):
    site = given(double, "dbuser_meta", "DBUser.Meta")
    postgres = site.environment.postgres.model_copy(update={"user": "given_other"})
    environment = site.environment.model_copy(update={"postgres": postgres})
    with pytest.raises(StepError) as refused:
        deploy(Site(environment, site.release, site.secrets), [PARTS["pgsql"]])
    assert "permission denied" in str(refused.value)
    assert "DBUser.Meta" not in str(refused.value)


def test_without_an_administrator_what_is_missing_is_said_as_sql(double: PigstyDouble):
    site = given(double, "", "")
    postgres = site.environment.postgres.model_copy(update={"user": "given_nobody"})
    environment = site.environment.model_copy(update={"postgres": postgres})
    with pytest.raises(StepError) as refused:
        deploy(Site(environment, site.release, site.secrets), [PARTS["pgsql"]])
    assert 'CREATE ROLE "given_nobody" LOGIN' in str(refused.value)


def test_a_dify_that_has_the_database_already_is_left_alone(
    double: PigstyDouble, open_to_all: None
):
    site = given(double, "dbuser_dba", "DBUser.DBA")
    deploy(site, [PARTS["pgsql"]])
    password = {POSTGRES_ADMIN: SecretStr("DBUser.DBA")}
    secret_file.update(site.environment, site.node, values=password)
    require_unused(site)
    with dify_database(site).connect() as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
    try:
        with pytest.raises(
            StepError, match=r"postgres\.database: given on .* has tables of a Dify"
        ):
            require_unused(site)
        tables = {"given": "alembic_version", "given2": "plugins", "absent": "plugins"}
        assert double.site().platform.databases_with(double.site(), tables) == ["given"]
    finally:
        with dify_database(site).connect() as connection:
            connection.execute("DROP TABLE alembic_version")
