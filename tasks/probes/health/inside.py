"""What only the stack's own network reaches, asked from inside the API's container."""

import time
from email.utils import parsedate_to_datetime
from functools import partial

from config.desired.services import active
from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.health.clock import clock_reading
from tasks.probes.health.containers import DOCKER, container
from tasks.probes.health.probe import Past, probe
from tasks.probes.subjects import ssrf_proxy
from tasks.probes.subjects.curl import DIRECTLY, OK, SILENT, Request, answers

PLUGIN, SANDBOX, PROXY, CLOCK = "plugin daemon", "sandbox", "ssrf proxy", "api clock"
_WITHIN_S = 4
_ADDRESSES = {
    PLUGIN: "http://plugin_daemon:5002/health/check",
    SANDBOX: "http://sandbox:8194/health",
}


def probes(site: Site, past: Past) -> list[Probe]:
    """One probe of all: they are asked together."""
    running = active(site.environment, site.release)
    needs = (container("api"), DOCKER)
    answers: dict[str, tuple[str, ...]] = {CLOCK: needs}
    for name, service, more in (
        (PLUGIN, "plugin_daemon", ("postgres", "redis")),
        (SANDBOX, "sandbox", ()),
        (PROXY, "ssrf_proxy", ()),
    ):
        if service in running:
            answers[name] = (container(service), *needs, *more)
    logs = f"look at its log: docker compose -p {site.environment.dify.project} logs api"
    return [probe(site, past, answers, partial(_ask, list(answers)), logs)]


def _ask(names: list[str], site: Site, _: Past) -> list[Reading]:
    asked = time.time()
    requests = [_request(site, name) for name in names]
    told = dict(zip(names, answers(site, "api", requests, within_s=_WITHIN_S), strict=False))
    readings = [_reading(site, name, told[name]) for name in names if name != CLOCK]
    return [_clock(site, told[CLOCK], asked), *readings]


def _clock(site: Site, date: str, asked: float) -> Reading:
    """The clock its process goes by, from the header of an answer; it tells whole seconds."""
    try:
        clock = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Reading(CLOCK, "its answer tells no date", status=Status.UNKNOWN)
    ahead = clock - min(max(clock, asked - 1), time.time())
    return clock_reading(CLOCK, ahead, site)


def _request(site: Site, name: str) -> Request:
    if name == CLOCK:
        return Request((*DIRECTLY, "http://127.0.0.1:5001/health"), "%header{date}")
    if name == PROXY:
        return ssrf_proxy.request(site)
    return Request((*DIRECTLY, _ADDRESSES[name]))


def _reading(site: Site, name: str, code: str) -> Reading:
    service = name.replace(" ", "_")
    logs = f"docker compose -p {site.environment.dify.project} logs {service}"
    silent = "does not answer inside the stack's network"
    if name == PROXY:
        return ssrf_proxy.reading(PROXY, site, code)
    if code == OK:
        return Reading(name, "answers")
    said = silent if code == SILENT else f"answers with status {code}"
    return Reading(name, said, status=Status.FAIL, advice=logs)
