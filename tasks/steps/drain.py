"""What was replaced ends what it had begun, and is gone."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from clients.docker import NotRunning
from clients.docker_objects import Container
from clients.waiting import until
from config.desired.colours import Colour
from config.desired.services import active
from config.errors import StepError
from config.release import Service
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps.written import written
from tasks.tools import celery, sockets

log = logging.getLogger("rollout")

EVERY_S = 0.5
# A socket of a browser lasts as long as its page: it is opened again to the new container.
SOCKETS_S = 2
_IN_A_ROW = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drain:
    """No container is left beside the one that has replaced it."""

    site: Site
    name: str = "compose"
    settle_s: float = 0.0

    def observe(self) -> list[Container]:
        """What runs, or lies there, in another colour than compose.yaml names."""
        if not usable(self.site):
            return []
        colours = written(self.site)
        services = active(self.site.environment, self.site.release)
        found = self.site.docker.containers(self.site.environment.dify.project)
        mine = [c for c in found if not c.one_off and c.service in services]
        wanted = {c.service: c for c in mine if c.colour == colours.get(c.service, Colour.BLUE)}
        old = [c for c in mine if c.colour != colours.get(c.service, Colour.BLUE)]
        return [c for c in old if c.service in wanted and wanted[c.service].ready]

    def plan(self, actual: list[Container]) -> list[Change]:
        return [
            Change(
                Kind.STOP, f"old {one.service}", f"let the old {one.service} end and remove it",
                one.state, "absent", "drain",
            )
            for one in actual
        ]  # fmt: skip

    def apply(self, change: Change) -> None:
        old = self.observe()
        _require_workers(self.site, {one.service for one in old})
        with ThreadPoolExecutor(max(len(old), 1)) as pool:
            list(pool.map(partial(drained, self.site), old))


def drained(site: Site, container: Container) -> None:
    """It ends its requests or jobs, is stopped and removed; what is left at the limit is named."""
    service = site.release.services[container.service]
    if container.state == "running":
        wait = _jobs if service.overlap == "jobs" else _requests
        try:
            if left := wait(site, container, service):
                log.warning("compose: the old %s is stopped at: %s", container.service, left)
        except NotRunning:
            pass  # it has ended
    site.docker.stop(container.id, service.stop_s)
    site.docker.remove(container.id)


def _jobs(site: Site, container: Container, _: Service) -> str:
    """Jobs that are not done at the limit; it takes no new ones."""
    _asked(site, container, celery.leave())
    limit = site.environment.switch.drain_s
    jobs = _empty(lambda: _asked(site, container, celery.jobs()), limit)
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

    return until(
        again,
        lambda _: not any(seen[-_IN_A_ROW:]) and len(seen) >= _IN_A_ROW,
        within_s=limit_s,
        every_s=EVERY_S,
        waiting="compose: an old container still has work to end",
    )


def _require_workers(site: Site, replaced: set[str]) -> None:
    """The new workers answer: one that runs may still be on its way to the broker."""
    colours, services = written(site), site.release.services
    for one in site.docker.containers(site.environment.dify.project):
        new = one.service in replaced and one.colour == colours.get(one.service, Colour.BLUE)
        if new and services[one.service].overlap == "jobs":
            _require_worker(site, one)


def _require_worker(site: Site, one: Container) -> None:
    found = until(
        partial(_answers, site, one),
        within_s=site.environment.dify.start_within_s,
        every_s=EVERY_S,
        waiting=f"compose: waiting for the new {one.service} to take jobs",
    )
    if not found:
        raise StepError(
            "compose",
            f"the new {one.service} takes no jobs",
            advice=f"docker logs {one.name}; the old one works on; mend it and deploy again",
        )


def _answers(site: Site, one: Container) -> bool:
    return site.docker.execute(one.id, celery.ping())[0] == 0


def _asked(site: Site, container: Container, words: list[str]) -> list[list[str]]:
    status, text = site.docker.execute(container.id, words)
    if status:
        raise StepError(
            "compose",
            f"the old {container.service} does not say what it works at: {text.strip()[-200:]}",
            advice=f"docker logs {container.name}; deploy again, or end it: "
            f"docker stop {container.name}",
        )
    return celery.parse(text)
