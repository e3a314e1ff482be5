"""What only the stack's own network reaches, asked by one curl inside a container."""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.docker import Incomplete, NotRunning
from tasks.core.site import Site
from tasks.probes.engine import NotAsked, Wrong

OK, SILENT = "200", "000"
DIRECTLY = ("--noproxy", "*")


@dataclass(frozen=True, slots=True)
class Request:
    """`to`: where to and how, in curl's words. `tells`: what is to be known, as `--write-out` has
    it.
    """

    to: tuple[str, ...]
    tells: str = "%{http_code}"


def answers(site: Site, service: str, requests: Sequence[Request], *, within_s: int) -> list[str]:
    """What curl prints of each request, in their order. One program asks all of them: its start in
    a container costs more than the requests.

    Raises:
        Wrong: no container of the service runs.
        NotAsked: the answer came without some of its lines, however often it was asked for.
    """
    words = ["curl"]
    for number, request in enumerate(requests):
        words += ["--next"] if number else []
        words += ["-s", "-o", "/dev/null", "-w", f"{request.tells}\n", "-m", str(within_s)]
        words += request.to
    return inside(site, service, words, lines=len(requests))


def inside(site: Site, service: str, words: Sequence[str], *, lines: int) -> list[str]:
    """The lines that the words print, run in a container of the service within a time of their own.

    Raises as `answers` does.
    """
    missing = Wrong(f"no container of {service} to ask from", f"run: rollout deploy {site.name}")
    running = site.docker.running(site.environment.dify.project)
    found = [one.name for one in running if one.service == service]
    if not found:
        raise missing
    try:
        return site.docker.inside(found[0], list(words), lines=lines).splitlines()
    except NotRunning:
        raise missing from None
    except Incomplete as error:
        raise NotAsked(f"could not be asked: {error}") from None
