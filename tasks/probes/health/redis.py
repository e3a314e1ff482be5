"""Redis as Dify's broker and cache."""

import time
from typing import Any

from clients.redis import follows
from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health.clock import clock_reading
from tasks.probes.health.probe import Past, probe
from tasks.probes.subjects.redis import policy
from tasks.steps.redis import dify_redis

REDIS = "redis"
# Keys evicted between two runs: queued jobs may be among them.
EVICTIONS = [1.0, 100.0]
_EVICTED = "redis evicted"


def probes(site: Site, past: Past) -> list[Probe]:
    answers: dict[str, tuple[str, ...]] = {REDIS: ("machine",)}
    for name in ("memory", "evictions", "policy", "persistence", "clock"):
        answers[f"{REDIS} {name}"] = (REDIS,)
    advice = site.platform.advice(site.environment, "Redis", "redis")
    return [probe(site, past, answers, _ask, advice)]


def _ask(site: Site, past: Past) -> list[Reading]:
    server = dify_redis(site, broker=True)
    with server.client() as client:
        # It answers PING with full memory, and INFO; only writes are refused.
        facts: dict[str, Any] = client.info()  # pyright: ignore[reportUnknownMemberType]
        asked = time.time()
        seconds, micros = client.time()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues, reportUnknownVariableType]
        ahead_s = float(seconds) + float(micros) / 1e6 - (asked + time.time()) / 2
    return [*_readings(site, facts, past), clock_reading(f"{REDIS} clock", ahead_s, site)]


def _since(past: Past, evicted: float) -> float:
    """Evicted since the last run; a restart begins at nothing."""
    before = float(past.notes.get(_EVICTED, evicted))
    return evicted - before if evicted >= before else evicted


def _readings(site: Site, facts: dict[str, Any], past: Past) -> list[Reading]:
    limits = site.environment.limits
    used, most = float(facts["used_memory"]), float(facts.get("maxmemory", 0))
    evicted = float(facts["evicted_keys"])
    replica = follows(facts)
    return [
        Reading(
            REDIS,
            f"Redis {facts['redis_version']}, {facts.get('role')}",
            status=Status.FAIL if replica else Status.OK,
            advice="nothing can be written: point redis.host at the primary",
        ),
        Reading(
            f"{REDIS} memory",
            f"{used / 2**20:.0f} of {most / 2**20:.0f} MB" if most else "no maxmemory",
            100 * used / most if most else 0.0,
            "%",
            limits.redis_memory_pct,
            advice="full, it refuses jobs and logins: look for what grows (redis-cli --bigkeys, "
            "rollout health: queues), then raise redis.max_memory_mb",
        ),
        Reading(
            f"{REDIS} evictions",
            "keys evicted since the last run",
            _since(past, evicted),
            "keys",
            EVICTIONS,
            advice="queued jobs may be among them: CONFIG SET maxmemory-policy noeviction, and "
            "give it more memory",
            notes={_EVICTED: evicted},
        ),
        policy(f"{REDIS} policy", str(facts.get("maxmemory_policy", ""))),
        _persistence(facts),
    ]


def _persistence(facts: dict[str, Any]) -> Reading:
    """A queue that only lies in memory is lost with the next restart."""
    aof, failed = bool(facts.get("aof_enabled")), "err"
    broken = [
        name
        for name, key in (
            ("append-only file", "aof_last_write_status"),
            ("snapshot", "rdb_last_bgsave_status"),
        )
        if facts.get(key) == failed
    ]
    if broken:
        return Reading(
            f"{REDIS} persistence",
            f"writing the {' and '.join(broken)} fails",
            status=Status.FAIL,
            advice="Redis may refuse all writes now: look at its log and its disk",
        )
    return Reading(
        f"{REDIS} persistence",
        "append-only file" if aof else "no append-only file",
        status=Status.OK if aof else Status.WARN,
        advice="queued jobs are lost when Redis restarts: CONFIG SET appendonly yes",
    )
