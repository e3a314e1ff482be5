"""Redis Sentinel, where it watches over the environment's Redis: who the master is, by each."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import SecretStr
from redis.exceptions import ResponseError

from clients.redis import RedisRefused, RedisServer, RedisUnreachable
from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong
from tasks.probes.health.probe import Past, probe

SENTINEL, MASTER, QUORUM, REPLICAS = (
    "sentinel", "sentinel master", "sentinel quorum", "sentinel replicas",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What one sentinel says: where the master is and how, whether enough agree, good replicas."""

    master: str
    down: bool
    quorum: bool
    replicas: int


def probes(site: Site, past: Past) -> list[Probe]:
    if not site.environment.redis.sentinels:
        return []
    answers: dict[str, tuple[str, ...]] = {SENTINEL: ("machine",)}
    answers |= {MASTER: (SENTINEL,), QUORUM: (SENTINEL,), REPLICAS: (MASTER, SENTINEL)}
    return [probe(site, past, answers, _ask, "start the sentinels, mend redis.sentinels")]


def _ask(site: Site, _: Past) -> list[Reading]:
    places = site.environment.redis.sentinels
    with ThreadPoolExecutor(len(places)) as pool:
        found = dict(zip(places, pool.map(partial(_view, site), places), strict=True))
    views = {place: seen for place, seen in found.items() if isinstance(seen, View)}
    silent = [f"{place}: {seen}" for place, seen in found.items() if isinstance(seen, str)]
    if not views:
        raise Wrong("; ".join(silent), "start the sentinels, or mend redis.sentinels")
    return [_all(places, silent), _master(views), _quorum(views), _replicas(views)]


def _view(site: Site, place: str) -> View | str:
    """What it says, or why it says nothing. Many have no password, others that of Redis."""
    host, _, port = place.rpartition(":")
    said = ""
    for password in (SecretStr(""), site.secrets["redis_password"]):
        server = RedisServer(host, int(port), password, node=site.node)
        try:
            with server.client() as client:
                return _told(client, site.environment.sentinel_master)
        except RedisRefused as error:
            said = str(error)
        except (RedisUnreachable, ResponseError) as error:
            return str(error)
    return said


def _told(client: Any, name: str) -> View:
    master = client.sentinel_master(name)
    replicas = client.sentinel_slaves(name)
    try:
        client.sentinel_ckquorum(name)
    except ResponseError:
        quorum = False
    else:
        quorum = True
    return View(
        f"{master['ip']}:{master['port']}",
        bool(master["is_sdown"] or master["is_odown"]),
        quorum,
        sum(not each["is_sdown"] and each["master-link-status"] == "ok" for each in replicas),
    )


def _all(places: list[str], silent: list[str]) -> Reading:
    answering = len(places) - len(silent)
    few = answering <= len(places) // 2
    return Reading(
        SENTINEL,
        "; ".join(silent) if silent else f"all {len(places)} answer",
        float(answering),
        "sentinels",
        status=Status.FAIL if few else Status.WARN if silent else Status.OK,
        advice="without a majority no other master is chosen: start those that are silent",
    )


def _master(views: Mapping[str, View]) -> Reading:
    masters = sorted({view.master for view in views.values()})
    advice = "SENTINEL MASTER on each; SENTINEL RESET one that is behind"
    if len(masters) > 1:
        said = ", ".join(f"{place} says {view.master}" for place, view in views.items())
        return Reading(MASTER, said, status=Status.FAIL, advice=advice)
    if any(view.down for view in views.values()):
        said = f"{masters[0]} is down"
        return Reading(MASTER, said, status=Status.FAIL, advice="start it, or wait for failover")
    return Reading(MASTER, f"{masters[0]}, as all see it")


def _quorum(views: Mapping[str, View]) -> Reading:
    short = [place for place, view in views.items() if not view.quorum]
    return Reading(
        QUORUM,
        f"too few reach each other, by {', '.join(short)}" if short else "a failover can be agreed",
        status=Status.FAIL if short else Status.OK,
        advice="SENTINEL CKQUORUM says how many are missing: start them, look at the network",
    )


def _replicas(views: Mapping[str, View]) -> Reading:
    count = min(view.replicas for view in views.values())
    return Reading(
        REPLICAS,
        "ready to take over" if count else "none could take over",
        float(count),
        "replicas",
        status=Status.OK if count else Status.WARN,
        advice="start a replica, look at its link: INFO replication",
    )
