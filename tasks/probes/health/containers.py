"""The stack's containers on every node: what the engine says of them, and their logs."""

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from clients.docker_objects import Container, Running
from config.desired.services import active
from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health.drift import images
from tasks.probes.health.probe import Past, probe
from tasks.probes.subjects.containers import (
    Found,
    Unwell,
    beats,
    on_every_node,
    running_beats,
    unwell,
)

DOCKER, RESTARTS, IMAGES = "docker", "restarts", "images"
LOGS, BEAT = "log errors", "beat"
# Whole words; a \b before them would be tried at every character, at five times the cost.
_ERRORS = re.compile(
    "|".join(rf"{word}(?<!\w{word})\b" for word in ("ERROR", "CRITICAL", "FATAL", "Traceback"))
)
_LINES = 2000
_FIRST_S = 300.0
_HEARD_AT = ("DEBUG", "INFO")


def container(service: str) -> str:
    """Name of the probe of that service's containers."""
    return f"container {service}"


def probes(site: Site, past: Past) -> list[Probe]:
    answers: dict[str, tuple[str, ...]] = {DOCKER: ("machine",)}
    answers |= {container(name): (DOCKER,) for name in active(site.environment, site.release)}
    # Who loses its state, or cannot write it, ends and is started again.
    state = ("postgres", "redis", "redis memory")
    answers |= {RESTARTS: (DOCKER, *state), IMAGES: (DOCKER,)}
    # Whoever cannot reach its state or a neighbour says so, again and again.
    services = (name for name in answers if name.startswith(container("")))
    logs: dict[str, tuple[str, ...]] = {LOGS: (DOCKER, *state, *services)}
    if names := beats(site):
        logs[BEAT] = (container(names[0]), DOCKER, "redis")
    advice = "start Docker Engine there, or deploy: that starts it"
    return [
        probe(site, past, answers, _ask, advice),
        probe(site, past, logs, _logs, advice),
    ]


def _ask(site: Site, past: Past) -> list[Reading]:
    found = on_every_node(site)
    readings = [Reading(DOCKER, f"{len(found)} containers")]
    bad = list(unwell(site, found))
    readings += [_service(site, name, bad) for name in active(site.environment, site.release)]
    return [*readings, _restarts(site, found, past), images(site, found)]


def _service(site: Site, name: str, bad: Sequence[Unwell]) -> Reading:
    several = len(site.environment.nodes.dify) > 1
    here = [each for each in bad if each.service == name and _belongs(each)]
    if not here:
        return Reading(container(name), "running")
    wrong = [
        (_state(each.container) if each.container else "missing")
        + (f" on {each.node.node.name}" if several else "")
        for each in here
    ]
    ill = [each.container for each in here if each.container]
    advice = _advice(site, ill[-1]) if ill else f"run: rollout deploy {site.name}"
    starting = all(text.startswith("starting") for text in wrong)
    status = Status.WARN if starting else Status.FAIL
    return Reading(container(name), ", ".join(wrong), status=status, advice=advice)


def _belongs(found: Unwell) -> bool:
    """Whether it should run on that node at all."""
    return found.service in active(found.node.environment, found.node.release)


def _state(one: Container) -> str:
    if one.oom:
        return "killed: out of memory"
    if one.state == "running":
        return one.health
    return f"exited with {one.status}" if one.state == "exited" else one.state


def _advice(site: Site, one: Container) -> str:
    if one.oom:
        return f"give {one.service} more memory (memory_mb of the release), then deploy"
    if one.state == "paused":
        return f"docker unpause {one.name}"
    return f"docker logs --tail 50 {one.name}; then: rollout deploy {site.name}"


def _restarts(site: Site, found: Found, past: Past) -> Reading:
    """By the engine, since the last run; a container that was made anew begins at nothing."""
    since = {
        one.name: one.restarts
        - float(past.notes.get(f"restarts {one.name} {one.id[:12]}", one.restarts))
        for _, one in found
    }
    worst = max(since, key=lambda name: since[name], default="")
    return Reading(
        RESTARTS,
        f"{worst} since the last run" if since.get(worst) else "none since the last run",
        since.get(worst, 0.0),
        "restarts",
        site.environment.limits.restarts,
        advice=f"docker logs --tail 50 {worst}",
        parts=since,
        notes={f"restarts {c.name} {c.id[:12]}": float(c.restarts) for _, c in found},
    )


def _logs(site: Site, past: Past) -> list[Reading]:
    now = time.time()
    since = max(past.at, now - _FIRST_S)
    project = site.environment.dify.project
    found = [(each, one) for each in site.on_each() for one in each.docker.running(project)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(partial(_errors, since), found))
    minutes = max(1.0, (now - since) / 60)
    rates = {one.name: count / minutes for (_, one), count in zip(found, counts, strict=True)}
    worst = max(rates, key=lambda name: rates[name], default="")
    readings = [
        Reading(
            LOGS,
            f"most from {worst}" if rates.get(worst) else "none",
            rates.get(worst, 0.0),
            "lines/min",
            site.environment.limits.log_errors_per_min,
            advice=f"docker logs --since 10m {worst}",
            parts=rates,
        )
    ]
    if beats(site):
        readings.append(_beat(site, running_beats(site), now))
    return readings


def _errors(since: float, found: tuple[Site, Running]) -> int:
    on, one = found
    return sum(bool(_ERRORS.search(line)) for line in on.docker.logs_since(one.id, since, _LINES))


def _beat(site: Site, found: Sequence[tuple[Site, Running]], now: float) -> Reading:
    """Dify's schedule has jobs every minute, and beat writes a line for each it sends."""
    level = site.environment.dify.log_level
    if level not in _HEARD_AT:
        said = f"dify.log_level {level} hides what beat does"
        return Reading(BEAT, said, status=Status.UNKNOWN, advice="set it to INFO")
    if not found:
        return Reading(BEAT, "not running", status=Status.FAIL, advice="start its container")
    if len(found) > 1:
        said = f"{len(found)} of them run every schedule as often"
        return Reading(BEAT, said, status=Status.FAIL, advice="remove all but one")
    on, one = found[0]
    at = on.docker.spoke(one.id)
    return Reading(
        BEAT,
        "since it last sent a job",
        None if at is None else max(0.0, now - at),
        "s",
        site.environment.limits.beat_s,
        advice=f"docker restart {one.name}",
    )
