"""Registries and the proxy: what images come through."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from blocks import login
from blocks.login import Login
from clients import registry
from clients.docker import Docker
from clients.proxy import WebProxy
from config.desired.services import images
from config.rules.sources import ORIGIN, sources
from tasks.core.site import Site
from tasks.images.held import pins
from tasks.probes.connections.connection import connection
from tasks.probes.engine import Probe

REGISTRY = "mend images.registries, or the login that images.logins names"
PROXY = "mend docker.proxy, or the login that docker.proxy_login names"


def registries(site: Site) -> list[Probe]:
    """Those a login is named for; and those images are pulled from, if from nowhere else."""
    settings = site.environment.images
    wanted = images(site.environment, site.release) if settings.source == "registry" else {}
    keys = {
        source.registry: "images.registries"
        for reference in wanted.values()
        for source in sources(reference, None, settings.registries)
    }
    keys |= {host: f"images.logins.{host}" for host in settings.logins}
    return [
        connection("registry", key, host, partial(_ask_registry, site, host), REGISTRY)
        for host, key in keys.items()
    ]


def moved_tags(site: Site) -> list[Probe]:
    """Whether names of images mean others in the registries than what was pulled first."""
    settings = site.environment.images
    if settings.source != "registry":
        return []
    ask = partial(_ask_moved, site)
    return [connection("images", "dify.release", site.release.version, ask, REGISTRY)]


def proxy(site: Site) -> list[Probe]:
    """The one Docker Engine pulls through."""
    if not site.environment.docker.proxy:
        return []
    shown = WebProxy.of(site.environment.docker.proxy, site.node).url
    return [connection("proxy", "docker.proxy", shown, partial(_ask_proxy, site), PROXY)]


def _ask_registry(site: Site, host: str) -> str:
    settings = site.environment.images
    known: Login | None = None
    if host in settings.logins:
        known = login.load(settings.logins[host], f"images.logins.{host}")
    return registry.check(host, known, Docker(site.node), site.within(registry.ANSWER_S))


def _ask_moved(site: Site) -> str:
    """An image of another digest is not worse: it is said, and taken when somebody wants it."""
    known = pins(site)
    if not known:
        return "none was pulled from a registry yet"
    with ThreadPoolExecutor(len(known)) as pool:
        now = dict(zip(known, pool.map(partial(_digest, site), known), strict=True))
    roles = {reference: role for role, reference in site.release.images.items()}
    moved = [
        f"{reference} is {now[reference]} by now, {pin} is held; to take it: digests."
        f"{roles[reference]} in config/releases/{site.release.version}.toml"
        for reference, pin in known.items()
        if reference in roles and now[reference] not in (None, pin)
    ]
    asked = sum(found is not None for found in now.values())
    return "; ".join(moved) or f"{asked} of {len(known)} images are what was pulled first"


def _digest(site: Site, reference: str) -> str | None:
    """From the first registry that says."""
    settings = site.environment.images
    for source in sources(reference, None, settings.registries):
        name = settings.logins.get(source.registry)
        known = login.load(name, f"images.logins.{source.registry}") if name else None
        if found := registry.digest(source, known, site.within(registry.ANSWER_S)):
            return found
    return None


def _ask_proxy(site: Site) -> str:
    """To the first registry images are pulled from: it is what the proxy is for."""
    docker = site.environment.docker
    wanted = next(iter(images(site.environment, site.release).values()))
    first = sources(wanted, None, [*site.environment.images.registries, ORIGIN])[0]
    target = f"{registry.address(first.registry)}/v2/"
    if not docker.proxy_login:
        return WebProxy.of(docker.proxy, site.node).check(target)
    known = login.load(docker.proxy_login, "docker.proxy_login")
    return WebProxy(docker.proxy, known.username, known.password, site.node).check(target)
