"""What only the stack's own network reaches, asked from inside the API's container by one curl."""

import time
from email.utils import parsedate_to_datetime
from functools import partial

from clients.docker import NotRunning
from config.desired.services import active
from config.rules.finding import Reading, Status
from tasks.core.site import Site
from tasks.probes.health.clock import clock_reading
from tasks.probes.health.containers import DOCKER, container
from tasks.probes.health.question import Answer, Past, Question
from tasks.probes.verify.probe import Wrong

PLUGIN, SANDBOX, PROXY, CLOCK = "plugin daemon", "sandbox", "ssrf proxy", "api clock"
_OK, _REFUSED, _SILENT = "200", "403", "000"
_WITHIN_S = "4"


def questions(site: Site) -> list[Question]:
    """One question: starting a program in a container costs more than what it asks."""
    running = active(site.environment, site.release)
    needs = (container("api"), DOCKER)
    probes: dict[str, tuple[str, ...]] = {CLOCK: needs}
    for probe, service, more in (
        (PLUGIN, "plugin_daemon", ("postgres", "redis")),
        (SANDBOX, "sandbox", ()),
        (PROXY, "ssrf_proxy", ()),
    ):
        if service in running:
            probes[probe] = (container(service), *needs, *more)
    return [Question(probes, partial(_ask, site, list(probes)))]


def _ask(site: Site, probes: list[str], _: Past) -> Answer:
    asked = time.time()
    try:
        said = site.docker.inside(f"{site.environment.dify.project}-api-1", _words(site, probes))
    except NotRunning as error:
        raise Wrong(f"{error}, to ask from", f"run: rollout deploy {site.name}") from None
    codes = dict(zip(probes, said.splitlines(), strict=False))
    readings = [
        _reading(site, probe, codes.get(probe, _SILENT)) for probe in probes if probe != CLOCK
    ]
    return Answer([_clock(site, codes.get(CLOCK, ""), asked), *readings])


def _clock(site: Site, date: str, asked: float) -> Reading:
    """The clock its process goes by, from the header of an answer; it tells whole seconds."""
    try:
        clock = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Reading(CLOCK, "its answer tells no date", status=Status.UNKNOWN)
    ahead = clock - min(max(clock, asked - 1), time.time())
    return clock_reading(CLOCK, ahead, site)


def _words(site: Site, probes: list[str]) -> list[str]:
    words = ["curl"]
    for probe in probes:
        if words != ["curl"]:
            words.append("--next")
        told = "%header{date}\n" if probe == CLOCK else "%{http_code}\n"
        words += ["-s", "-o", "/dev/null", "-w", told, "-m", _WITHIN_S]
        words += _target(site, probe)
    return words


def _target(site: Site, probe: str) -> list[str]:
    if probe == CLOCK:
        return ["--noproxy", "*", "http://127.0.0.1:5001/health"]
    if probe == PLUGIN:
        return ["--noproxy", "*", "http://plugin_daemon:5002/health/check"]
    if probe == SANDBOX:
        return ["--noproxy", "*", "http://sandbox:8194/health"]
    postgres = site.environment.postgres
    return ["-x", "http://ssrf_proxy:3128", f"http://{postgres.host}:{postgres.port}/"]


def _reading(site: Site, probe: str, code: str) -> Reading:
    service = probe.replace(" ", "_")
    logs = f"docker compose -p {site.environment.dify.project} logs {service}"
    silent = "does not answer inside the stack's network"
    if probe == PROXY:
        if code == _REFUSED:
            return Reading(PROXY, "refuses private addresses")
        said = silent if code == _SILENT else f"let a private address through (status {code})"
        advice = logs if code == _SILENT else "look at squid.conf of the stack, and deploy"
        return Reading(PROXY, said, status=Status.FAIL, advice=advice)
    if code == _OK:
        return Reading(probe, "answers")
    said = silent if code == _SILENT else f"answers with status {code}"
    return Reading(probe, said, status=Status.FAIL, advice=logs)
