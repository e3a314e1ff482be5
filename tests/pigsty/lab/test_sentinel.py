"""Redis with a replica and three Sentinels, each on a machine of its own, and a failover."""

import json
import time
from collections.abc import Generator
from typing import Any

import pytest
from redis import Redis
from redis.sentinel import Sentinel

from config.desired.env_file import settings
from config.pigsty import SENTINEL_PORT
from tasks.steps.table import PARTS
from tests.pigsty.lab.site import LabSite, further, lab_site

CLUSTER = "redis-dify"
PORT = 6379
WITHIN_S = 60
BALANCER = """
defaults
    mode tcp
    timeout connect 2s
    timeout client 60s
    timeout server 60s
listen redis
    bind *:6379
    option tcp-check
    tcp-check connect
    tcp-check send AUTH\\ {password}\\r\\n
    tcp-check expect string +OK
    tcp-check send INFO\\ replication\\r\\n
    tcp-check expect string role:master
    server a {a}:6379 check inter 500ms
    server b {b}:6379 check inter 500ms
"""


class Machines:
    """The lab's node and four more."""

    def __init__(self, site: LabSite, more: list[str]) -> None:
        self.site = site
        self.redis, self.sentinels = [site.lab.address, more[0]], more[1:]

    def client(self, address: str, port: int = PORT) -> Any:
        password = self.site.opened().secret("redis_password")
        return Redis(address, port, password=password, decode_responses=True)

    def primaries(self) -> set[str]:
        """Whom the Sentinels take for the primary."""
        asked = [self.client(address, SENTINEL_PORT) for address in self.sentinels]
        found = [client.sentinel_get_master_addr_by_name(CLUSTER) for client in asked]
        return {place[0] if place else "nobody" for place in found}

    def masters(self) -> list[str]:
        """Which servers take themselves for the primary."""
        roles = {a: self.client(a).info("replication")["role"] for a in self.redis}
        return [address for address, role in roles.items() if role == "master"]

    def starts(self) -> list[str]:
        places = [(a, PORT) for a in self.redis] + [(a, SENTINEL_PORT) for a in self.sentinels]
        return [self.client(*place).info("server")["run_id"] for place in places]


@pytest.fixture(scope="module")
def machines() -> Generator[Machines]:
    with lab_site() as site, further(site, 4) as more:
        made = Machines(site, more)
        site.set({"REDIS_NODES": json.dumps(made.redis)}, "PIGSTY")
        places = [f"{address}:{SENTINEL_PORT}" for address in made.sentinels]
        site.set({"SENTINELS": json.dumps(places)}, "REDIS")
        site.set({"REDIS_MODE": "sentinel"}, "PIGSTY")
        site.set({"HOST": made.sentinels[0]}, "REDIS")
        balance(made)
        yield made


def balance(machines: Machines) -> None:
    """redis.host, which Dify's event bus needs: whoever is the primary answers there."""
    password = machines.site.opened().secret("redis_password")
    balancer = machines.site.at(machines.sentinels[0])
    a, b = machines.redis
    balancer.write("/root/redis.cfg", BALANCER.format(password=password, a=a, b=b))
    assert balancer.inside("haproxy -D -f /root/redis.cfg").returncode == 0


def await_primary(machines: Machines, address: str) -> None:
    """The Sentinels say so, and the one before has been told: until then it takes writes."""
    deadline = time.monotonic() + WITHIN_S
    while machines.primaries() != {address} or machines.masters() != [address]:
        assert time.monotonic() < deadline, machines.primaries()
        time.sleep(0.5)


def deploy(machines: Machines) -> list[str]:
    done = machines.site.converge(PARTS["configure"], PARTS["redis"])
    return [what for what in done if not what.startswith("edit ")]


def test_they_are_made_by_pigsty(machines: Machines) -> None:
    assert deploy(machines) == [
        f"make Redis cluster {CLUSTER}",
        f"make Redis cluster {CLUSTER}-sentinel",
    ]
    primary, replica = machines.redis
    assert machines.primaries() == {primary}
    assert machines.client(replica).info("replication")["master_host"] == primary
    for address in machines.redis:
        assert machines.client(address).config_get("maxmemory-policy") == {
            "maxmemory-policy": "noeviction"
        }


def test_a_second_deploy_changes_nothing_and_restarts_nothing(machines: Machines) -> None:
    before = machines.starts()
    assert deploy(machines) == []
    assert machines.starts() == before


def test_a_failover_is_followed_by_what_dify_is_told_and_is_no_change(machines: Machines) -> None:
    second = machines.redis[1]
    opened = machines.site.opened()
    said = settings(opened.environment, opened.release, opened.secrets)
    known = [address.split(":") for address in said["REDIS_SENTINELS"].split(",")]
    password = opened.secret("redis_password")
    sentinel = Sentinel(
        [(host, int(port)) for host, port in known],
        sentinel_kwargs={"password": password},
        password=password,
        socket_timeout=2,
    )
    primary: Any = sentinel.master_for(said["REDIS_SENTINEL_SERVICE_NAME"])
    primary.set("before", "1")
    machines.client(machines.sentinels[0], SENTINEL_PORT).execute_command(
        "SENTINEL", "FAILOVER", CLUSTER
    )
    await_primary(machines, second)
    assert primary.get("before") == b"1"
    primary.set("after", "1")
    assert machines.client(second).get("after") == "1"
    before = machines.starts()
    assert deploy(machines) == []
    assert machines.starts() == before and machines.primaries() == {second}


def test_a_sentinel_that_forgot_is_told_of_the_present_primary(machines: Machines) -> None:
    _, second = machines.redis
    forgetful = machines.sentinels[1]
    machines.client(forgetful, SENTINEL_PORT).execute_command("SENTINEL", "REMOVE", CLUSTER)
    assert deploy(machines) == [f"have Sentinel at {forgetful}:{SENTINEL_PORT} watch {CLUSTER}"]
    assert machines.primaries() == {second}


def test_the_event_buss_address_follows_through_the_balancer(machines: Machines) -> None:
    """The part of Dify that asks no Sentinel: redis.host is an address that finds the primary."""
    deadline = time.monotonic() + WITHIN_S
    while machines.client(machines.sentinels[0]).info("replication")["role"] != "master":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert machines.client(machines.sentinels[0]).get("after") == "1"
