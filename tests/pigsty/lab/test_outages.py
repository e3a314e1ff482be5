"""Real Pigsty in trouble: away for a while, a playbook killed half-way, etcd away, Patroni paused.

What passes is waited out; what was left half made is finished by the next run, and the one after
that has nothing to do.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest

from config.errors import StepError
from config.rules.finding import judge
from tasks.core.site import Site
from tasks.core.tasks import unrecorded
from tasks.platforms.pigsty.leader import leaderless
from tasks.platforms.pigsty.preflight import readings
from tasks.steps.table import PARTS
from tasks.steps.tasks import STEPS
from tasks.tools.patroni import DCS_SILENT_S
from tests.pigsty.contract.subject import LabSubject
from tests.pigsty.lab.outage import at, kill_playbook, pause, reset_ssh
from tests.pigsty.lab.site import LabSite, further, lab_site
from tests.pigsty.lab.test_replica import BALANCER, CLUSTER, FORGET, PRIMARY, until

REDIS = ("create redis directories", "create dir for", "launch redis-dify")
PGSQL = ("create pgsql directories", "init postgres cluster", "launch pgbouncer")
TTL_S = 30  # of the leader's key, by Pigsty
PG_CTL = "su - postgres -c '/usr/pgsql/bin/pg_ctl -D /pg/data {}'"
PATRONI = "su - postgres -c 'patronictl -c /etc/patroni/patroni.yml {} pg-meta {}'"


@pytest.fixture(autouse=True)
def every_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rollout")


def run(step: str, site: Site) -> list[str]:
    """What the step changed, tried as often as a deploy does."""
    outcome: Any = unrecorded(STEPS[step], site)
    return [change.what for change in outcome.changes]


@pytest.fixture
def redis() -> Generator[LabSite]:
    """The node, with no Redis of this environment's."""
    with lab_site() as site:
        site.converge(PARTS["configure"])
        yield site


@pytest.mark.parametrize("trouble", [reset_ssh, pause])
@pytest.mark.parametrize("task", REDIS[::2])
def test_a_node_that_is_away_for_20_s_in_redis_add_is_waited_for(
    redis: LabSite, task: str, trouble: Callable[[LabSubject], None]
) -> None:
    began = time.monotonic()
    with at(task, partial(trouble, redis.lab)):
        assert run("redis", redis.opened())
    print(f"{trouble.__name__} at {task}: {time.monotonic() - began:.0f} s")
    assert redis.converge(PARTS["redis"]) == []


@pytest.mark.parametrize("task", REDIS)
def test_a_redis_whose_playbook_was_killed_is_made_by_the_next_run(
    redis: LabSite, task: str
) -> None:
    with at(task, kill_playbook), pytest.raises(StepError, match="redis-add"):
        run("redis", redis.opened())
    assert run("redis", redis.opened())
    assert redis.converge(PARTS["redis"]) == []


@pytest.fixture
def postgres() -> Generator[LabSite]:
    """A machine on which there is to be a cluster of this environment's own."""
    with lab_site() as site, further(site, 1) as addresses:
        site.set({"PG_CLUSTER": CLUSTER, "PG_NODES": json.dumps(addresses)}, "PIGSTY")
        site.set({"HOST": addresses[0], "PORT": str(PRIMARY)}, "POSTGRES")
        site.converge(PARTS["configure"])
        assert site.lab.run("./node.yml", "-l", CLUSTER, "-t", BALANCER).status == 0
        assert site.lab.inside(FORGET).returncode == 0
        yield site


@pytest.mark.parametrize("task", PGSQL)
def test_a_cluster_whose_playbook_was_killed_is_finished_by_the_next_run(
    postgres: LabSite, task: str
) -> None:
    with at(task, kill_playbook), pytest.raises(StepError, match="pgsql-add"):
        run("pgsql", postgres.opened())
    assert run("pgsql", postgres.opened())
    assert postgres.converge(PARTS["configure"], PARTS["pgsql"]) == []


@pytest.fixture
def cluster() -> Generator[LabSite]:
    """The node's cluster, which lacks a database of Dify's."""
    with lab_site() as site:
        site.converge(PARTS["configure"], PARTS["pgsql"])
        site.lab.sql("DROP DATABASE dify_plugin WITH (FORCE)")
        yield site
        site.lab.inside("systemctl start etcd")
        until(lambda: site.lab.inside(PATRONI.format("list", "")).returncode == 0)
        site.lab.inside(PATRONI.format("resume", "--wait"))
        failsafe(site, "true")
        until(lambda: not why(site))


def failsafe(site: LabSite, mode: str) -> None:
    """Whether a leader that reaches every member leads on without etcd: Pigsty 4 says true."""
    done = site.lab.inside(PATRONI.format("edit-config", f"--force -s failsafe_mode={mode}"))
    assert done.returncode == 0, done.stderr


def reasons(site: LabSite) -> list[str]:
    """What preflight says stands in the way, by who waits less long."""
    site.set({"PATIENCE": "0.2"}, "NODES")
    found = [str(each) for each in map(judge, readings(site.opened())) if each.bad]
    site.set({"PATIENCE": "1"}, "NODES")
    return found


def why(site: LabSite) -> str:
    found = leaderless(site.opened())
    return found.why if found else ""


def test_without_etcd_a_leader_that_reaches_all_members_leads_on(cluster: LabSite) -> None:
    assert cluster.lab.inside("systemctl stop etcd").returncode == 0
    time.sleep(DCS_SILENT_S + TTL_S)
    assert not any("no leader" in line for line in reasons(cluster))
    assert "make database dify_plugin" in run("pgsql", cluster.opened())
    assert cluster.converge(PARTS["pgsql"]) == []


def test_a_server_that_etcds_absence_keeps_read_only_is_named_and_waited_for(
    cluster: LabSite,
) -> None:
    failsafe(cluster, "false")
    assert cluster.lab.inside("systemctl stop etcd").returncode == 0
    until(lambda: "etcd has not answered Patroni" in why(cluster))
    assert any("etcd has not answered Patroni on" in line for line in reasons(cluster))
    threading.Timer(5, cluster.lab.inside, ["systemctl start etcd"]).start()
    assert "make database dify_plugin" in run("pgsql", cluster.opened())
    assert cluster.converge(PARTS["pgsql"]) == []


def test_patroni_that_is_paused_without_a_leader_is_named_at_once(cluster: LabSite) -> None:
    assert cluster.lab.inside(PATRONI.format("pause", "--wait")).returncode == 0
    assert cluster.lab.inside(PG_CTL.format("stop -m fast")).returncode == 0
    until(lambda: "Patroni is paused on" in why(cluster))
    began = time.monotonic()
    with pytest.raises(StepError, match="Patroni is paused on") as refused:
        run("pgsql", cluster.opened())
    assert "patronictl resume pg-meta" in str(refused.value)
    assert time.monotonic() - began < 30
    assert any("Patroni is paused on" in line for line in reasons(cluster))
    assert cluster.lab.inside(PATRONI.format("resume", "--wait")).returncode == 0
    until(lambda: not why(cluster))
    assert "make database dify_plugin" in run("pgsql", cluster.opened())
    assert cluster.converge(PARTS["pgsql"]) == []
