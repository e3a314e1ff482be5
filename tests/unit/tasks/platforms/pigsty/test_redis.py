"""Which Sentinels are told to watch what."""

from types import SimpleNamespace
from typing import Any

from tasks.platforms.pigsty.redis import Watched, Watching

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
