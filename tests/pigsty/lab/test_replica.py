"""PostgreSQL on two machines of its own: made by Pigsty, switched over, without its replica."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from clients.postgres import Postgres
from config.errors import RolloutError, StepError
from config.rules.finding import Finding, Notes, Status
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.pigsty.members import primary
from tasks.platforms.pigsty.prefetch import prefetch
from tasks.points import pitr
from tasks.points.goal import at_moment
from tasks.probes.engine import ask_all
from tasks.probes.health.postgres import probes
from tasks.probes.health.probe import Past
from tasks.steps.table import PARTS
from tasks.tools import hba
from tests.pigsty.contract.subject import LabSubject
from tests.pigsty.lab.site import LabSite, further, lab_site

CLUSTER = "pg-dify"
PRIMARY, POOLED = 5436, 5433
BALANCER = "haproxy_install,haproxy_config,haproxy_launch"
UNITS = "patroni haproxy pgbouncer"
WITHIN_S = 90
IN_RECOVERY = "SELECT pg_is_in_recovery()"
# Pigsty keeps what a cluster agreed on apart from its machines, which are new each time.
FORGET = f". /etc/profile.d/etcdctl.sh; etcdctl del --prefix /pg/{CLUSTER}/"
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


class Pair:
    """The cluster's machines, in the order of pigsty.yml."""

    def __init__(self, site: LabSite, addresses: list[str]) -> None:
        self.site = site
        self.notes: Notes = {}
        self.machines = [site.at(address) for address in addresses]

    def deploy(self, opened: Site | None = None) -> list[str]:
        """What our steps changed."""
        opened = opened or self.site.opened()
        parts = [*PARTS["configure"](opened), *PARTS["pgsql"](opened)]
        return [change.what for part in parts for change in converge(part).changes]

    def running(self) -> list[str]:
        """What differs after anything of the cluster was restarted."""
        shown = f"systemctl show --property=InvocationID {UNITS}"
        ids = [machine.inside(shown).stdout for machine in self.machines]
        return ids + [machine.postgres_started() for machine in self.machines]

    def inventory(self) -> bytes:
        return (self.site.lab.tree / "pigsty.yml").read_bytes()

    def writes_to(self, through: LabSubject, port: int) -> str:
        """Where Dify's role has written, through the balancer of a machine, or why it has not."""
        opened = self.site.opened()
        postgres, password = opened.environment.postgres, opened.secrets["postgres_password"]
        login = Postgres(through.address, port, postgres.user, password, postgres.database)
        try:
            with login.connect() as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS written (n int)")
                connection.execute("INSERT INTO written VALUES (1)")
                query = "SELECT coalesce(host(inet_server_addr()), 'behind pgbouncer')"
                return str((connection.execute(query).fetchone() or ("",))[0])
        except (psycopg.Error, RolloutError) as error:
            return str(error)

    def leads_to(self, server: LabSubject) -> bool:
        """Whether every way to the primary does."""
        ways = [self.writes_to(machine, PRIMARY) for machine in self.machines]
        pooled = [self.writes_to(machine, POOLED) for machine in self.machines]
        return {*ways} == {server.address} and {*pooled} == {"behind pgbouncer"}

    def probes(self) -> dict[str, Finding]:
        """As the app's role sees it; each time knows what the one before noted."""
        past = Past(time.time(), self.notes)
        found = ask_all(probes(self.site.opened(), past), patience=WITHIN_S)
        self.notes = {name: value for each in found for name, value in each.notes.items()}
        return {finding.probe: finding for finding in found}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def pair() -> Generator[Pair]:
    with lab_site() as site, further(site, 2) as addresses:
        site.set({"PG_CLUSTER": CLUSTER, "PG_NODES": json.dumps(addresses)}, "PIGSTY")
        site.set({"HOST": addresses[1], "PORT": str(PRIMARY)}, "POSTGRES")
        made = Pair(site, addresses)
        site.converge(PARTS["configure"])
        # What Pigsty asks for before a cluster is made: its machines are nodes.
        assert site.lab.run("./node.yml", "-l", CLUSTER, "-t", BALANCER).status == 0
        forgotten = site.lab.inside(FORGET)
        assert forgotten.returncode == 0, forgotten.stderr
        yield made


def test_it_is_made_by_pigsty_and_streams(pair: Pair) -> None:
    first, second = pair.machines
    assert f"make PostgreSQL cluster {CLUSTER}" in pair.deploy()
    until(lambda: first.sql(STREAMING) == "1")
    assert first.sql("SELECT count(*) FROM pg_extension WHERE extname = 'vector'", "dify") == "1"
    until(lambda: second.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'dify%'") == "2")
    rules = [hba.parse(machine.read("/pg/data/pg_hba.conf") or "") for machine in pair.machines]
    assert rules[0] == rules[1]
    assert {rule.user for rule in rules[0]} >= {"dbuser_dify"}
    for machine in pair.machines:
        assert machine.read("/pg/tmp/pg-user-dbuser_dify.sql") is None
    until(lambda: [pair.writes_to(m, PRIMARY) for m in pair.machines] == [first.address] * 2)


def test_the_pooler_may_come_later(pair: Pair) -> None:
    pair.site.set({"PORT": str(POOLED)}, "POSTGRES")
    assert pair.deploy()[1:] == [
        "admit dbuser_dify in pg_hba.conf",
        "make role dbuser_dify and set its password",
    ]
    until(lambda: pair.leads_to(pair.machines[0]))


def test_a_second_deploy_changes_nothing_and_restarts_nothing(pair: Pair) -> None:
    before, text = pair.running(), pair.inventory()
    assert pair.deploy() == []
    assert pair.running() == before
    assert pair.inventory() == text


def test_both_machines_are_asked_at_once(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    counting = tmp_path / "ansible"
    counting.write_text(
        f'#!/bin/sh\necho "$@" >>{started}\nexec {pair.site.lab.programs}/ansible "$@"\n'
    )
    counting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    opened = pair.site.opened()
    prefetch(opened)
    assert pair.deploy(opened) == []
    calls = started.read_text().splitlines()
    assert len(calls) == 1, calls
    assert all(machine.address in calls[0] for machine in pair.machines)


def test_the_probes_of_health_are_content(pair: Pair) -> None:
    found = pair.probes()
    assert found["postgres"].said.endswith(", primary")
    assert {name: f.said for name, f in found.items() if f.status is not Status.OK} == {}
    assert found["postgres replication"].value == 0


def test_going_back_to_a_moment_takes_the_replica_along(pair: Pair) -> None:
    """What it has seen of the time undone goes too, whether rewound or made anew."""
    pair.site.converge(PARTS["redis"])
    first, second = pair.machines
    site = pair.site.opened()
    site.environment.dify.data.mkdir(parents=True, exist_ok=True)
    first.sql("CREATE TABLE messages (n int)", "dify")
    time.sleep(2)
    target = datetime.now(UTC)
    time.sleep(1)
    first.sql("INSERT INTO messages VALUES (1)", "dify")
    until(lambda: second.sql("SELECT count(*) FROM messages", "dify") == "1")
    pitr.go_back(
        site, at_moment(site.name, target), lambda: pytest.fail("no Dify here to make a point of")
    )
    assert first.sql("SELECT count(*) FROM messages", "dify") == "0"
    until(lambda: first.sql(STREAMING) == "1" and pair.leads_to(first))
    assert second.sql(IN_RECOVERY) == "t"
    until(lambda: second.sql("SELECT count(*) FROM messages", "dify") == "0")
    first.sql("INSERT INTO messages VALUES (2)", "dify")
    until(lambda: second.sql("SELECT sum(n) FROM messages", "dify") == "2")
    assert pair.deploy() == []


def test_a_replica_that_does_not_follow_is_seen(pair: Pair) -> None:
    first, second = pair.machines
    receiver = "-f '^postgres: .*walreceiver'"
    assert second.inside(f"pkill -STOP {receiver}").returncode == 0
    try:
        pair.writes_to(first, PRIMARY)
        until(lambda: (pair.probes()["postgres replication"].value or 0) > 1)
    finally:
        second.inside(f"pkill -CONT {receiver}")
    until(lambda: pair.probes()["postgres replication"].value == 0)


def test_a_switchover_is_followed_and_is_no_change(pair: Pair) -> None:
    first, second = pair.machines
    asked = f"patronictl -c /etc/patroni/patroni.yml switchover {CLUSTER} --force"
    done = first.inside(f"su - postgres -c '{asked}'")
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: pair.leads_to(second) and second.sql(STREAMING) == "1")
    before, text = pair.running(), pair.inventory()
    assert pair.deploy() == []
    assert pair.running() == before
    assert pair.inventory() == text
    test_the_probes_of_health_are_content(pair)


def test_a_role_after_a_switchover_needs_the_inventory_to_know(pair: Pair) -> None:
    """Pigsty makes roles where pigsty.yml says the primary is, and tells nobody it made none."""
    first, second = pair.machines
    before = pair.site.secrets
    pair.site.secrets = {**before, "postgres_password": SecretStr("Another.Password.1")}
    with pytest.raises(StepError, match=f"{first.address} is the primary .* a replica by now"):
        pair.deploy()
    assert pair.site.lab.run("bin/pgsql-user", CLUSTER, "dbuser_dify").status == 0
    assert not pair.leads_to(second), "Pigsty has learned of failovers: the refusal can go"

    def follow(tree: dict[str, Any]) -> None:
        hosts = tree["children"][CLUSTER]["hosts"]
        hosts[first.address]["pg_role"], hosts[second.address]["pg_role"] = "replica", "primary"

    pair.site.lab.edit(follow)
    changed = pair.deploy()
    assert "make role dbuser_dify and set its password" in changed
    assert pair.leads_to(second)
    assert all(m.read("/pg/tmp/pg-user-dbuser_dify.sql") is None for m in pair.machines)
    assert pair.deploy() == []


def test_without_the_replica_nothing_is_changed_and_health_says_so(pair: Pair) -> None:
    first, second = pair.machines
    assert first.inside("systemctl stop patroni").returncode == 0
    text = pair.inventory()
    assert pair.deploy() == []
    assert pair.inventory() == text
    assert first.inside("systemctl is-active patroni").stdout.strip() == "inactive"
    assert pair.leads_to(second)
    until(lambda: pair.probes()["postgres replication"].status is Status.WARN)
    assert pair.probes()["postgres replication"].said == "0 of 1 replicas"


def test_a_machine_that_is_off_hinders_no_deploy(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = pair.machines
    subprocess.run(["docker", "stop", "-t", "1", first.name], check=True, capture_output=True)
    try:
        assert pair.deploy() == []
        assert f"does not reach {first.address}" in caplog.text
        assert primary(pair.site.opened()).machine.address == second.address
    finally:
        subprocess.run(["docker", "start", first.name], check=True, capture_output=True)
