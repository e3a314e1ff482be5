"""Dify as people reach it: the domain, its certificate, and each service behind it."""

import socket
import time
from collections.abc import Callable
from functools import partial

from clients.dify import Dify
from config.desired.services import active
from config.rules.finding import Reading
from tasks.core.site import Site
from tasks.probes.health.containers import DOCKER, container
from tasks.probes.health.question import Answer, Past, Question
from tasks.probes.verify import portal
from tasks.probes.verify.probe import Wrong

PORTAL, CERTIFICATE, API, WEB, WEBSOCKET = "portal", "certificate", "api", "web", "websocket"
_CONNECT_S = 4


def questions(site: Site) -> list[Question]:
    running = active(site.environment, site.release)
    way = (PORTAL, *(container(name) for name in ("nginx",) if name in running), DOCKER)
    found = [
        Question(
            {PORTAL: ("machine",), CERTIFICATE: (PORTAL,)}
            if site.environment.portal.tls
            else {PORTAL: ("machine",)},
            partial(_portal, site),
            f"is the portal's nginx up? run: rollout deploy {site.name}",
        ),
        _through(site, API, (*way, container("api"), "postgres"), portal.api),
        _through(site, WEB, (*way, container("web")), lambda _, dify: portal.web(dify)),
    ]
    if "api_websocket" in running:
        needs = (*way, container("api_websocket"), "redis")
        found.append(_through(site, WEBSOCKET, needs, lambda _, dify: portal.websocket(dify)))
    return found


def _portal(site: Site, _: Past) -> Answer:
    """What the portal presents; where it speaks no TLS, that somebody listens."""
    environment = site.environment
    domain = environment.portal.domain
    if not environment.portal.tls:
        host, port = portal.place(site) or (domain, environment.portal.http_port)
        try:
            socket.create_connection((host, port), timeout=_CONNECT_S).close()
        except OSError as error:
            raise Wrong(f"{host}:{port} does not answer: {error.strerror or error}") from None
        return Answer([Reading(PORTAL, f"{domain} answers")])
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
    return Answer([Reading(PORTAL, f"{domain} answers, its certificate is valid"), left])


def _through(
    site: Site, probe: str, needs: tuple[str, ...], ask: Callable[[Site, Dify], str]
) -> Question:
    service = {WEBSOCKET: "api_websocket"}.get(probe, probe)
    logs = f"docker compose -p {site.environment.dify.project} logs nginx {service}"
    return Question({probe: needs}, partial(_timed, site, probe, ask), logs)


def _timed(site: Site, probe: str, ask: Callable[[Site, Dify], str], _: Past) -> Answer:
    with portal.open_dify(site) as dify:
        began = time.monotonic()
        said = ask(site, dify)
        took = time.monotonic() - began
    return Answer(
        [
            Reading(
                probe,
                said,
                took,
                "s",
                site.environment.limits.answer_s,
                advice="it answers late: look at the load of its machine and at PostgreSQL",
            )
        ]
    )
