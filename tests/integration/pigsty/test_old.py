"""Pigsty 2.7, whose playbooks purge the cluster and the Redis they are run over again."""

from datetime import UTC, datetime

import psycopg
import pytest
import redis as client

from config.errors import StepError
from config.rules.finding import judge
from tasks.core.site import Site
from tasks.platforms.pigsty.preflight import readings
from tasks.points import pitr
from tasks.points.goal import at_moment
from tasks.steps.table import PARTS
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import deploy, processes


@pytest.fixture(scope="module")
def site(old_double: PigstyDouble) -> Site:
    return old_double.site(portal={"domain": "dify.pigsty"})


def test_what_runs_is_never_purged(site: Site, old_double: PigstyDouble):
    environment = site.environment
    before = processes(old_double)
    changes = deploy(site)
    assert "make database dify" in changes and "make Redis cluster redis-dify" in changes
    assert processes(old_double)[1][:2] == before[1][:2]

    with psycopg.connect(host=environment.postgres.host, user="dbuser_dify", dbname="dify",
                         password=site.secret("postgres_password")) as connection:  # fmt: skip
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with client.Redis(environment.redis.host, password=site.secret("redis_password")) as server:
        server.set("kept", "yes")
        server.config_set("appendonly", "no")

    running = processes(old_double)
    assert deploy(site, [PARTS["redis"]]) == [
        f"set appendonly of Redis at {environment.redis.host}:6379"
    ]
    assert deploy(site) == []
    assert processes(old_double) == running
    with psycopg.connect(host=environment.postgres.host, user="dbuser_dify", dbname="dify",
                         password=site.secret("postgres_password")) as connection:  # fmt: skip
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    with client.Redis(environment.redis.host, password=site.secret("redis_password")) as server:
        assert server.get("kept") == b"yes"


def test_another_domain_is_served_though_the_tree_knows_no_reload(
    site: Site, old_double: PigstyDouble
):
    nginx = old_double.pid("nginx")
    portal = site.environment.portal.model_copy(update={"domain": "new.pigsty"})
    dify = site.environment.dify.model_copy(update={"project": "new"})
    environment = site.environment.model_copy(update={"portal": portal, "dify": dify})
    new = Site(environment, site.release, site.secrets)
    assert deploy(new, [PARTS["configure"], PARTS["portal"]])[1:] == [
        "issue the portal's certificate for new.pigsty",
        "serve new.pigsty",
    ]
    assert old_double.pid("nginx") == nginx


def test_a_tree_without_certbot_is_said_before_anything_is_done(old_double: PigstyDouble):
    public = old_double.site(portal={"domain": "dify.example.com"}, pigsty={"certbot": True})
    failed = [str(each) for each in map(judge, readings(public)) if each.bad]
    assert any("Pigsty 2.7.0 has no certbot" in text for text in failed), failed


def test_a_tree_without_the_playbook_goes_back_to_no_moment(site: Site, old_double: PigstyDouble):
    before, goal = old_double.journal(), at_moment(site.name, datetime.now(UTC))
    with pytest.raises(StepError, match=r"Pigsty 2\.7\.0 has no pgsql-pitr\.yml"):
        pitr.go_back(site, goal, lambda: pytest.fail("a point is made for nothing"))
    assert old_double.journal() == before
