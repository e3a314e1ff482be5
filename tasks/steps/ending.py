"""A container that was replaced ends what it had begun, and is gone."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from clients.docker import NotRunning
from clients.docker_objects import Container
from clients.waiting import until
from config.errors import StepError
from config.release import Service
from tasks.core.site import Site
from tasks.steps import stack_nginx
from tasks.tools import celery, sockets
from tasks.tools.nginx import cut

log = logging.getLogger("rollout")

EVERY_S = 0.5
# Each look starts a program in the container, which takes processors from those who use Dify.
SOON_S, SELDOM_S = 4.0, 4.0
# A socket of a browser lasts as long as its page: it is opened again to the new container.
SOCKETS_S = 2
_IN_A_ROW = 2
_LINES, _SHOWN = 2000, 10
T = TypeVar("T")


def drained(site: Site, container: Container) -> None:
    """It ends its requests or jobs, is stopped and removed; what is left at the limit is named."""
    service, name, left = site.release.services[container.service], container.service, ""
    if container.state == "running":
        wait = _jobs if service.overlap == "jobs" else _requests
        with suppress(NotRunning):  # it has ended
            left = wait(site, container, service)
    if left:
        log.warning("compose: the old %s is stopped at: %s", name, left)
    began = time.time()
    site.docker.stop(container.id, service.stop_s)
    if left and (requests := _cut(site, container, began)):
        log.warning("compose: the old %s was still at: %s", name, ", ".join(requests))
    site.docker.remove(container.id)


def _cut(site: Site, container: Container, began: float) -> list[str]:
    """Requests that its end cut, each kind with its number, as the stack's nginx saw them."""
    nginx = stack_nginx.running(site)
    lines = site.docker.logs_since(nginx.id, began, _LINES) if nginx else []
    counted = Counter(cut(lines, container.addresses))
    return [f"{request} ({count})" for request, count in counted.most_common(_SHOWN)]


def _jobs(site: Site, container: Container, _: Service) -> str:
    """Jobs that are not done at the limit; it takes no new ones."""
    limit = site.environment.switch.drain_s
    jobs = _empty(lambda: asked(site, container, celery.leave()), limit)
    return ", ".join(celery.shown(job) for job in jobs)


def _requests(site: Site, container: Container, service: Service) -> str:
    """Connections that are open at the limit."""

    def look() -> list[str]:
        _, text = site.docker.execute(container.id, sockets.WORDS)
        return sockets.established(text, service.port or 0)

    limit = SOCKETS_S if _holds_sockets(site, container) else site.environment.switch.drain_s
    found = _empty(look, limit)
    return f"{len(found)} open connections" if found else ""


def _holds_sockets(site: Site, container: Container) -> bool:
    routes = [route for route in site.release.routes if route.service == container.service]
    return all(route.websocket for route in routes)


def _empty(look: Callable[[], list[T]], limit_s: float) -> list[T]:
    """What is left, once nothing was twice in a row, or at the limit."""
    seen: list[list[T]] = []

    def again() -> list[T]:
        seen.append(look())
        return seen[-1]

    def done(_: list[T]) -> bool:
        return not any(seen[-_IN_A_ROW:]) and len(seen) >= _IN_A_ROW

    soon_s = min(SOON_S, limit_s)
    found = until(again, done, within_s=soon_s, every_s=EVERY_S)
    if done(found) or limit_s <= soon_s:
        return found
    return until(
        again,
        done,
        within_s=limit_s - soon_s,
        every_s=SELDOM_S,
        waiting="compose: an old container still has work to end",
    )


def asked(site: Site, container: Container, words: list[str]) -> list[Any]:
    """What a worker answers.

    Raises:
        StepError: it does not.
    """
    status, text = site.docker.execute(container.id, words)
    if status:
        raise StepError(
            "compose",
            f"{container.name} does not say what it works at: {text.strip()[-200:]}",
            advice=f"docker logs {container.name}; deploy again, or end it: "
            f"docker stop {container.name}",
        )
    return celery.parse(text)
