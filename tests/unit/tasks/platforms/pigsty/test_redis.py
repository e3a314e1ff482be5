"""Which Sentinels are told to watch what, and which instances are made how."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.core.step import Blocked
from tasks.platforms.pigsty import redis
from tasks.platforms.pigsty.redis import Instances, Silent, Watched, Watching
from tasks.tools.redis_files import Files, parse

PRIMARY, OTHER = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
FIRST, SECOND = ("10.0.0.3", 26379), ("10.0.0.4", 26379)


def watched() -> Watched:
    pigsty = SimpleNamespace(redis_cluster="redis-dify")
    site: Any = SimpleNamespace(environment=SimpleNamespace(pigsty=pigsty))
    return Watched(site)


def test_who_does_not_know_the_cluster_is_told_of_the_primary_there_is_now():
    (change,) = watched().plan(Watching({FIRST: OTHER, SECOND: None}, OTHER))
    assert change.what == "have Sentinel at 10.0.0.4:26379 watch redis-dify"
    assert change.after == "primary 10.0.0.2:6379" and change.action == (*SECOND, OTHER)


def test_who_watches_is_left_alone_whatever_he_takes_for_the_primary():
    assert watched().plan(Watching({FIRST: PRIMARY, SECOND: OTHER}, PRIMARY)) == []


def test_without_a_primary_nobody_is_told_anything():
    assert watched().plan(Watching({FIRST: None, SECOND: None}, None)) == []


A, B = "10.0.0.1", "10.0.0.2"
NOTHING = Files()
MADE = Files("/etc/redis/redis-dify-1-6379.conf", "redis-dify-1-6379.service", data=True)


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch):
    """A cluster of two instances on one machine and one on another."""
    known = ((A, 6379), (A, 6380), (B, 6379))
    monkeypatch.setattr(redis, "instances_of", lambda *_: known)

    def make(purges: bool = False, cluster: str = "redis-dify") -> Instances:
        generation = SimpleNamespace(removes_on_rerun=purges)
        monkeypatch.setattr(redis, "desired", lambda _: SimpleNamespace(generation=generation))
        pigsty = SimpleNamespace(redis_cluster="redis-dify", sentinel_cluster="redis-dify-sentinel")
        limits = SimpleNamespace(max_memory_mb=64)
        site: Any = SimpleNamespace(environment=SimpleNamespace(pigsty=pigsty, redis=limits))
        return Instances(site, cluster)

    return make


def silent(address: str, port: int, files: Files = NOTHING) -> Silent:
    return Silent(address, port, "refused", files)


def test_where_nothing_is_the_whole_cluster_is_made(instances):
    (change,) = instances().plan([silent(A, 6379), silent(A, 6380), silent(B, 6379)])
    assert change.action == ("redis-dify", ())


def test_one_more_beside_a_neighbour_is_made_by_its_port(instances):
    first, second = instances().plan([silent(A, 6380), silent(B, 6379)])
    assert first.action == (A, (6380,)) and second.action == (B, ())
    assert first.what == "make Redis of redis-dify on 10.0.0.1, port 6380"


@pytest.mark.parametrize(
    ("files", "lacks"),
    [
        (Files("x.conf"), "half made, no unit, no data: refused"),
        (Files("", "x.service"), "half made, no configuration, no data: refused"),
        (Files("x.conf", "x.service"), "half made, no data: refused"),
        (Files("", "", data=True), "half made, no configuration, no unit: refused"),
    ],
)
def test_what_a_playbook_left_half_made_is_made_to_the_end(instances, files: Files, lacks: str):
    (change,) = instances().plan([silent(B, 6379, files)])
    assert change.before == lacks and change.action == (B, ())


def test_one_that_held_something_and_is_down_is_only_named_by_its_unit(instances):
    (change,) = instances().plan([silent(A, 6379, MADE)])
    assert isinstance(change, Blocked)
    assert "systemctl status redis-dify-1-6379.service there" in change.do


@pytest.mark.parametrize("cluster", ["redis-dify", "redis-dify-sentinel"])
@pytest.mark.parametrize("purges", [False, True])
@pytest.mark.parametrize("configuration", ["", "x.conf"])
@pytest.mark.parametrize("unit", ["", "x.service"])
@pytest.mark.parametrize("data", [False, True])
def test_no_advice_is_about_a_unit_that_is_not_there(
    instances, cluster: str, purges: bool, configuration: str, unit: str, data: bool
):
    files = Files(configuration, unit, data=data)
    (change,) = instances(purges, cluster).plan([silent(B, 6379, files)])
    if isinstance(change, Blocked):
        assert files and ("systemctl status x.service there" in change.do) is bool(unit)
        assert unit or "systemctl" not in change.do


def test_a_sentinel_stores_nothing_and_was_made_all_the_same(instances):
    files = Files("x.conf", "x.service")
    (change,) = instances(cluster="redis-dify-sentinel").plan([silent(A, 6379, files)])
    assert isinstance(change, Blocked)


def test_an_old_playbook_that_purges_is_not_run_over_anything(instances):
    (change,) = instances(purges=True).plan([silent(B, 6379, Files("x.conf"))])
    assert isinstance(change, Blocked)
    assert change.do.endswith("start it there by hand; nothing was changed")


def test_files_are_told_apart_by_the_whole_name():
    listed = """/etc/redis/redis-dify-1-6379.conf
/etc/systemd/system/redis-dify-1-6379.service
/etc/systemd/system/redis-dify-two-1-6379.service
/data/redis/redis-dify-1-6379
/data/redis/redis-dify-1-6379/appendonlydir
/data/redis/redis-dify-1-63790/dump.rdb
"""
    assert parse(listed, "redis-dify", 6379) == MADE
    assert parse(listed, "redis-dify-two", 6379) == Files("", "redis-dify-two-1-6379.service")
    assert parse("/data/redis/redis-dify-1-6379\n", "redis-dify", 6379) == Files()
