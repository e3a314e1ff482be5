"""Celery, asked through its broker: its own `inspect ping` takes seconds and 300 MB.

A worker holds a subscription for remote control in the broker's database as long as it is
connected. Queues are lists; the job next in turn is the last of its list.
"""

import json
import time
from collections.abc import Iterable
from typing import Any

from config.desired.services import active
from config.rules.finding import Notes, Reading, Status
from tasks.core.site import Site
from tasks.probes.engine import Needs, Probe
from tasks.probes.health.probe import Past, probe
from tasks.steps.redis import dify_redis

WORKER, QUEUES, GROWTH, WAITING = "worker", "queues", "queue growth", "waiting jobs"
_BINDING = "_kombu.binding."
_INTERNAL = ("celery.pidbox", "celeryev", "reply.celery.pidbox")


def probes(site: Site, past: Past) -> list[Probe]:
    workers = [f"container {name}" for name in workers_of(site)]
    answers: Needs = {
        WORKER: ("redis memory", "redis", *workers),
        QUEUES: (WORKER, "redis"),
        GROWTH: (WORKER, "redis"),
        WAITING: (WORKER, "redis"),
    }
    return [probe(site, past, answers, _ask, "look at Redis and at the worker's log")]


def workers_of(site: Site) -> list[str]:
    running = active(site.environment, site.release).items()
    return [name for name, service in running if service.environment.get("MODE") == "worker"]


def _ask(site: Site, past: Past) -> list[Reading]:
    server = dify_redis(site, broker=True)
    with server.client() as client:
        known: Any = client
        subscribed = sum(
            int(each.get("psub", 0)) > 0 and int(each.get("db", -1)) == server.database
            for each in known.client_list()
        )
        names = _queues(known.scan_iter(match=f"{_BINDING}*", count=1000))
        asked = sorted(set(names) - set(site.release.redis.ignored_queues))
        with known.pipeline(transaction=False) as pipe:
            for name in asked:
                pipe.llen(name)
                pipe.lindex(name, -1)
            found = pipe.execute()
    lengths = dict(zip(asked, map(float, found[::2]), strict=True))
    heads = {name: job for name, job in zip(asked, found[1::2], strict=True) if job}
    oldest, notes = _waiting(heads, past, time.time())
    return [_worker(subscribed), *_lengths(site, lengths, past), _oldest(site, oldest, notes)]


def _queues(bindings: Iterable[str]) -> list[str]:
    """Every queue somebody declared, by its exchange, which bears its name."""
    names = (key.removeprefix(_BINDING) for key in bindings)
    return [name for name in names if name not in _INTERNAL]


def _worker(subscribed: int) -> Reading:
    return Reading(
        WORKER,
        f"{subscribed} connected" if subscribed else "no worker is connected to the broker",
        float(subscribed),
        "workers",
        status=Status.OK if subscribed else Status.FAIL,
        advice="nothing is indexed and no run is streamed: look at the worker's log, "
        "docker compose restart worker",
    )


def _lengths(site: Site, lengths: dict[str, float], past: Past) -> list[Reading]:
    limits = site.environment.limits
    longest = max(lengths, key=lambda name: lengths[name], default="")
    grown = {
        name: size - float(past.notes.get(f"queue {name}", size)) for name, size in lengths.items()
    }
    most = max(grown, key=lambda name: grown[name], default="")
    advice = "more comes in than is done: raise dify.celery_workers, look at the worker's log"
    return [
        Reading(
            QUEUES,
            f"{longest} is the longest" if lengths.get(longest) else "all empty",
            lengths.get(longest, 0.0),
            "jobs",
            limits.queue_jobs,
            advice=f"queue {longest}: {advice}",
            parts=lengths,
        ),
        Reading(
            GROWTH,
            f"{most} grows" if grown.get(most, 0.0) > 0 else "no queue grows",
            max(0.0, grown.get(most, 0.0)),
            "jobs since the last run",
            limits.queue_jobs,
            advice=f"queue {most}: {advice}",
            notes={f"queue {name}": size for name, size in lengths.items()},
        ),
    ]


def _waiting(
    heads: dict[str, str], past: Past, now: float
) -> tuple[dict[str, float], dict[str, float | str]]:
    """Since when the next job of each queue waits: as its message says, or as we first saw it."""
    since: dict[str, float] = {}
    notes: dict[str, float | str] = {}
    for queue, text in heads.items():
        job, sent = _job(text)
        same = past.notes.get(f"next of {queue}") == job
        first = float(past.notes.get(f"next of {queue} since", now)) if same else now
        since[queue] = sent or first
        notes |= {f"next of {queue}": job, f"next of {queue} since": first}
    return {queue: max(0.0, now - at) for queue, at in since.items()}, notes


def _job(text: str) -> tuple[str, float]:
    """Id of a message, and when it was sent, 0 if it does not say."""
    try:
        message: dict[str, Any] = json.loads(text)
        properties: dict[str, Any] = message.get("properties", {})
        headers: dict[str, Any] = message.get("headers", {})
        sent = properties.get("timestamp") or headers.get("timestamp") or 0
        return str(headers.get("id") or properties.get("correlation_id", "")), float(sent)
    except (ValueError, AttributeError, TypeError):
        return "", 0.0


def _oldest(site: Site, waited: dict[str, float], notes: Notes) -> Reading:
    queue = max(waited, key=lambda name: waited[name], default="")
    return Reading(
        WAITING,
        f"the next job of {queue}" if queue else "no job waits",
        waited.get(queue, 0.0),
        "s",
        site.environment.limits.waiting_s,
        advice=f"nobody takes jobs from {queue}: is it among the queues of the worker, and is the "
        "worker stuck? docker compose restart worker",
        parts=waited,
        notes=notes,
    )
