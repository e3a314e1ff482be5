"""Dify as people reach it: through the domain and the portal."""

from functools import partial

from clients.dify import Dify
from config.desired.services import active
from tasks.core.site import Site
from tasks.probes.engine import Probe
from tasks.probes.subjects import portal

CERTIFICATE = "certificate is valid"
API = "API answers through the domain"
_STEP = "look at the portal's step of the deploy"


def probes(site: Site, dify: Dify) -> list[Probe]:
    """The certificate, the way from http, and each service with a route of its own."""
    environment = site.environment
    found: list[Probe] = []
    if environment.portal.tls:
        found.append(Probe(CERTIFICATE, partial(certificate, site), advice=_STEP))
        if site.platform.leads_to_https(site):
            ask = partial(portal.redirect, site)
            found.append(Probe("http leads to https", ask, advice=_STEP))
    running = active(environment, site.release)
    asked = {API: ("api", partial(portal.api, site, dify))}
    asked["web answers through the domain"] = ("web", partial(portal.web, dify))
    if "api_websocket" in running:
        ask = partial(portal.websocket, dify)
        asked["websocket answers through the domain"] = ("api_websocket", ask)
    roots = (CERTIFICATE,) if environment.portal.tls else ()
    for name, (service, through) in asked.items():
        logs = f"docker logs of {service}, nginx"
        found.append(Probe(name, through, roots, within_s=20, advice=logs))
    return found


def certificate(site: Site) -> str:
    return f"for {site.environment.portal.domain}, {int(portal.days_left(site))} days left"
