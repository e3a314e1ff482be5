"""PostgreSQL 18, as Pigsty's templates make it: which releases of Dify run on it, and why."""

import json
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from clients.postgres import Postgres
from config.load import ROOT, load_release
from config.rules.finding import Status
from config.secrets import generate
from tasks.core.site import Site
from tasks.platforms.pigsty.preflight import readings
from tasks.steps.pgsql import unfit
from tests.conftest import PigstyDouble

LISTED = "import json, standin.revisions as r; print(json.dumps([x.statements for x in r.known()]))"


@pytest.fixture(scope="module")
def older(double: PigstyDouble) -> Site:
    """An environment there whose file names 1.15.0."""
    site = double.site(dify={"release": "1.15.0"})
    release = load_release("1.15.0")
    return Site(site.environment, release, generate(release, site.secrets))


def schema(release: str) -> list[str]:
    """The statements of the stand-in's revisions, as that release's image has them."""
    paths = {"PYTHONPATH": str(ROOT / "rehearsal/api"), "RELEASE": release}
    words = (sys.executable, "-c", LISTED)
    done = subprocess.run(words, env={**os.environ, **paths}, capture_output=True, check=True)
    return json.loads(done.stdout)


def migrate(double: PigstyDouble, release: str) -> int:
    """The revisions in one transaction that is taken back; the server's version."""
    login = Postgres(double.addresses[0], 5432, "dbuser_meta", SecretStr("DBUser.Meta"), "meta")
    with login.connect() as connection, connection.transaction(force_rollback=True):
        # The owner of Dify's database has this extension; here there is a function as good.
        connection.execute("CREATE SCHEMA made AUTHORIZATION CURRENT_USER")
        connection.execute("SET LOCAL search_path = made")
        for name, what in (("generate_v4", "gen_random_uuid()"), ("nil", "NULL::uuid")):
            body = f"RETURNS uuid AS $$ SELECT {what} $$ LANGUAGE SQL"
            connection.execute(f"CREATE FUNCTION made.uuid_{name}() {body}")
        for statements in schema(release):
            text: Any = statements.replace('CREATE EXTENSION IF NOT EXISTS "uuid-ossp";', "")
            connection.execute(text.replace("public.uuidv7", "made.uuidv7"))
        return connection.info.server_version // 10_000


def test_the_schema_of_1_15_fails_there(double: PigstyDouble) -> None:
    with pytest.raises(psycopg.errors.AmbiguousFunction, match='"uuidv7" is not unique'):
        migrate(double, "1.15.0")


@pytest.mark.parametrize("release", ["1.16.1", "1.17.1"])
def test_the_schema_of_later_releases_does_not(double: PigstyDouble, release: str) -> None:
    assert migrate(double, release) == 18


def test_1_15_is_refused_before_anything_is_changed(double: PigstyDouble, older: Site) -> None:
    before = (double.tree / "pigsty.yml").read_bytes()
    said = [found.said for found in readings(older) if found.status is not Status.OK]
    assert any(
        "18 for the cluster 'pg-meta', and Dify 1.15.0 does not run on it; expected PostgreSQL "
        "13 to 17, or dify.release '1.16.1'" in detail
        for detail in said
    )
    assert (double.tree / "pigsty.yml").read_bytes() == before


def test_a_server_of_others_is_refused_with_the_release_that_takes_it(older: Site) -> None:
    refused = unfit(older, 18)
    assert refused.cause == "the server is PostgreSQL 18; Dify 1.15.0 takes 13 to 17"
    assert (
        refused.advice
        == "use another server or release: expected PostgreSQL 13 to 17, or dify.release '1.16.1'"
    )
