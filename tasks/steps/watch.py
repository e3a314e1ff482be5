"""The first seconds of new containers that people use: whether one of them turns bad."""

import time
from collections.abc import Iterable, Iterator

from clients.docker_objects import Container
from clients.waiting import until
from config.desired.colours import Colour
from config.rules.colours import worse
from tasks.core.site import Site
from tasks.steps import gate, stack_nginx
from tasks.steps.written import written

EVERY_S = 1.0
ANSWERS_WITHIN_S = 5.0
# How nginx.conf begins the line of an answer that is the server's own failure.
FAILURE = "server error "
_LINES = 2000


def trouble(site: Site, names: Iterable[str]) -> str:
    """What is wrong with the new container of one of these services; empty: nothing.

    They are looked at for `switch.watch_s` seconds, once at least.
    """
    services, watch_s, began = sorted(names), site.environment.switch.watch_s, time.time()
    before = _failures(site, began - watch_s)
    return until(
        lambda: next(_wrong(site, services, before, began), ""),
        within_s=watch_s,
        every_s=EVERY_S,
        waiting=f"compose: watching the new {', '.join(services)} for {watch_s} s",
    )


def _wrong(site: Site, services: list[str], before: int, began: float) -> Iterator[str]:
    colours, nginx = written(site), stack_nginx.running(site)
    for one in site.docker.containers(site.environment.dify.project):
        if one.service in services and one.colour == colours.get(one.service, Colour.BLUE):
            yield from _of_one(site, one, nginx)
    after = _failures(site, began)
    if worse(before, after):
        yield f"{after} requests failed since the switch, {before} in as long before it"


def _of_one(site: Site, one: Container, nginx: Container | None) -> Iterator[str]:
    if not one.ready:
        state = one.health if one.state == "running" else one.state
        yield f"the new {one.service} is {state}"
    elif one.restarts:
        yield f"the new {one.service} ended and was started again"
    elif nginx and site.release.services[one.service].port:
        status = gate.answer(
            site, nginx, one.service, one.colour, within_s=site.within(ANSWERS_WITHIN_S)
        )
        if not gate.good(status):
            yield f"the new {one.service} answers {gate.shown(status)}"


def _failures(site: Site, since: float) -> int:
    """Requests that the stack's nginx answered with a failure since then."""
    nginx = stack_nginx.running(site)
    said = site.docker.logs_since(nginx.id, since, _LINES) if nginx else []
    return sum(line.startswith(FAILURE) for line in said)
