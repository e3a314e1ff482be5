"""Dify as people reach it: the domain, its certificate, and each service behind it."""

import socket
import time
from collections.abc import Callable
from functools import partial

from clients.dify import Dify
from config.desired.services import active
from config.rules.finding import Reading
from tasks.core.site import Site
from tasks.probes.engine import Probe, Wrong
from tasks.probes.health.containers import DOCKER, container
from tasks.probes.health.probe import Past, probe
from tasks.probes.subjects import portal

PORTAL, CERTIFICATE, API, WEB, WEBSOCKET = "portal", "certificate", "api", "web", "websocket"
_CONNECT_S = 4


def probes(site: Site, past: Past) -> list[Probe]:
    running = active(site.environment, site.release)
    way = (PORTAL, *(container(name) for name in ("nginx",) if name in running), DOCKER)
    own: dict[str, tuple[str, ...]] = {PORTAL: ("machine",)}
    if site.environment.portal.tls:
        own[CERTIFICATE] = (PORTAL,)
    start = f"is the portal's nginx up? run: rollout deploy {site.name}"
    found = [
        probe(site, past, own, _portal, start),
        _through(site, past, API, (*way, container("api"), "postgres"), portal.api),
        _through(site, past, WEB, (*way, container("web")), lambda _, dify: portal.web(dify)),
    ]
    if "api_websocket" in running:
        needs = (*way, container("api_websocket"), "redis")
        found.append(_through(site, past, WEBSOCKET, needs, lambda _, dify: portal.websocket(dify)))
    return found


def _portal(site: Site, _: Past) -> list[Reading]:
    """What the portal presents; where it speaks no TLS, that somebody listens."""
    environment = site.environment
    domain = environment.portal.domain
    if not environment.portal.tls:
        host, port = portal.place(site) or (domain, environment.portal.http_port)
        try:
            socket.create_connection((host, port), timeout=_CONNECT_S).close()
        except OSError as error:
            raise Wrong(f"{host}:{port} does not answer: {error.strerror or error}") from None
        return [Reading(PORTAL, f"{domain} answers")]
    days = portal.days_left(site)
    left = Reading(
        CERTIFICATE,
        f"of {domain}, days left",
        days,
        "days",
        environment.limits.certificate_days,
        advice="renewal did not happen: look at certbot's timer or the portal's step, "
        f"run: rollout deploy {site.name}",
    )
    return [Reading(PORTAL, f"{domain} answers, its certificate is valid"), left]


def _through(
    site: Site, past: Past, name: str, needs: tuple[str, ...], ask: Callable[[Site, Dify], str]
) -> Probe:
    service = {WEBSOCKET: "api_websocket"}.get(name, name)
    logs = f"docker compose -p {site.environment.dify.project} logs nginx {service}"
    return probe(site, past, {name: needs}, partial(_timed, name, ask), logs)


def _timed(name: str, ask: Callable[[Site, Dify], str], site: Site, _: Past) -> list[Reading]:
    with portal.open_dify(site) as dify:
        began = time.monotonic()
        said = ask(site, dify)
        took = time.monotonic() - began
    late = "it answers late: look at the load of its machine and at PostgreSQL"
    return [Reading(name, said, took, "s", site.environment.limits.answer_s, advice=late)]
