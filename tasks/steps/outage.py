"""The page that people get while a service they use is replaced where it is."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from config.desired.services import routes
from tasks.core.site import Site
from tasks.steps.maintenance import close, dispensable, is_read, reopen
from tasks.steps.stack_nginx import NGINX


@contextmanager
def announced(site: Site, replaced: Iterable[str]) -> Generator[None]:
    """People get the page of maintenance meanwhile, if Dify is away with one of these services.

    Not where another node goes on serving, nor where the page is up already: the upgrade or restore
    that showed it takes it away. Without the plugin daemon most of Dify works: it closes nothing.
    """
    answering = {NGINX, *(name for name in _routed(site) if site.release.services[name].overlap)}
    several = len(site.environment.nodes.dify) > 1
    if several or not answering & set(replaced) or is_read(site):
        yield
        return
    with dispensable():
        close(site)
    try:
        yield
    finally:
        reopen(site)


def _routed(site: Site) -> set[str]:
    return {route.service for route in routes(site.environment, site.release)}
