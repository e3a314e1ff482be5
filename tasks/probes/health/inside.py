"""What only the stack's own network reaches, asked from inside the API's container by one curl."""

import time
from email.utils import parsedate_to_datetime
from functools import partial

from clients.docker import NotRunning
from config.desired.services import active
from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong
from tasks.probes.health.clock import clock_reading
from tasks.probes.health.containers import DOCKER, container
from tasks.probes.health.probe import Past, probe
from tasks.probes.subjects import ssrf_proxy

PLUGIN, SANDBOX, PROXY, CLOCK = "plugin daemon", "sandbox", "ssrf proxy", "api clock"
_OK = "200"
_WITHIN_S = "4"


def probes(site: Site, past: Past) -> list[Probe]:
    """One probe: starting a program in a container costs more than what it asks."""
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
    try:
        said = site.docker.inside(f"{site.environment.dify.project}-api-1", _words(site, names))
    except NotRunning as error:
        raise Wrong(f"{error}, to ask from", f"run: rollout deploy {site.name}") from None
    codes = dict(zip(names, said.splitlines(), strict=False))
    readings = [
        _reading(site, name, codes.get(name, ssrf_proxy.SILENT)) for name in names if name != CLOCK
    ]
    return [_clock(site, codes.get(CLOCK, ""), asked), *readings]


def _clock(site: Site, date: str, asked: float) -> Reading:
    """The clock its process goes by, from the header of an answer; it tells whole seconds."""
    try:
        clock = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Reading(CLOCK, "its answer tells no date", status=Status.UNKNOWN)
    ahead = clock - min(max(clock, asked - 1), time.time())
    return clock_reading(CLOCK, ahead, site)


def _words(site: Site, names: list[str]) -> list[str]:
    words = ["curl"]
    for name in names:
        if words != ["curl"]:
            words.append("--next")
        told = "%header{date}\n" if name == CLOCK else "%{http_code}\n"
        words += ["-s", "-o", "/dev/null", "-w", told, "-m", _WITHIN_S]
        words += _target(site, name)
    return words


def _target(site: Site, name: str) -> list[str]:
    if name == CLOCK:
        return ["--noproxy", "*", "http://127.0.0.1:5001/health"]
    if name == PLUGIN:
        return ["--noproxy", "*", "http://plugin_daemon:5002/health/check"]
    if name == SANDBOX:
        return ["--noproxy", "*", "http://sandbox:8194/health"]
    return ssrf_proxy.target(site)


def _reading(site: Site, name: str, code: str) -> Reading:
    service = name.replace(" ", "_")
    logs = f"docker compose -p {site.environment.dify.project} logs {service}"
    silent = "does not answer inside the stack's network"
    if name == PROXY:
        return ssrf_proxy.reading(PROXY, site, code)
    if code == _OK:
        return Reading(name, "answers")
    said = silent if code == ssrf_proxy.SILENT else f"answers with status {code}"
    return Reading(name, said, status=Status.FAIL, advice=logs)
