"""The nginx of every node leads to the containers that are wanted: the switch of a stack."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clients.command import Command
from clients.docker import NotRunning
from clients.docker_objects import Container
from clients.files import File
from clients.waiting import until
from config.desired.colours import Colour
from config.desired.stack import ROUTES, routed_colours, routes_digest, routes_file
from config.errors import StepError
from tasks.core.masking import masked
from tasks.core.nodes import on_node
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps import gate
from tasks.steps.ahead import Sight
from tasks.steps.pairs import pairs
from tasks.steps.stack_nginx import NGINX
from tasks.steps.workers import hand_over
from tasks.tools import nginx

TRIED = "next.conf"
ANSWERS_WITHIN_S = 15.0
READ_WITHIN_S = 6.0
ADDRESS = "http://127.0.0.1/nginx-health"


@dataclass(frozen=True, slots=True)
class Led:
    """One node's nginx: its container, its file, the digest of what it has read, and both wanted.

    `container`: None where none has to be led.
    """

    site: Site
    container: Container | None
    text: str
    read: str
    wanted: str

    @property
    def fits(self) -> bool:
        same = self.text == self.wanted and routes_digest(self.wanted) == self.read
        return self.container is None or same

    @property
    def moved(self) -> dict[str, Colour]:
        """Service → colour that will answer instead of the one of now."""
        before, after = routed_colours(self.text), routed_colours(self.wanted)
        return {name: colour for name, colour in after.items() if before.get(name) != colour}


@dataclass(frozen=True, slots=True)
class Routes:
    """Every node's nginx has read its file, and the file leads to what is wanted there.

    None of them is led anywhere before what is new has answered on all of them.
    """

    sites: Sequence[Site]
    sight: Sight
    name: str = "compose"
    settle_s: float = 10.0

    def observe(self) -> list[Led]:
        return [self._of(site) for site in self.sites]

    def _of(self, site: Site) -> Led:
        ahead = self.sight.ahead(site)
        if ahead.nginx is None:
            return Led(site, None, "", "", "")
        text = (site.node.read(site.environment.dify.home / ROUTES) or b"").decode(errors="replace")
        wanted = routes_file(site.environment, site.release, ahead.colours)
        return Led(site, ahead.nginx, text, _read(site, ahead.nginx), wanted)

    def plan(self, actual: list[Led]) -> list[Change]:
        return [
            Change(
                Kind.RELOAD, "routes", on_node(self.sites, one.site, _shown(one)),
                "other routes", "as config says", "lead",
            )
            for one in actual
            if not one.fits
        ]  # fmt: skip

    def apply(self, change: Change) -> None:
        """What fails before the first file is written changes nothing of what is served."""
        found = [(one, one.container) for one in self.observe() if not one.fits]
        for one, container in found:
            if container:
                _require_answers(one, container)
                _require_sound(one, container)
        for one, _ in found:
            _hand_over(one.site)
        for one, container in found:
            if container:
                _write(one.site, ROUTES, one.wanted)
                one.site.docker.signal(container.id, "HUP")


def _shown(one: Led) -> str:
    moved = [f"{name}-{colour}" for name, colour in one.moved.items()]
    return f"lead to {', '.join(moved)}" if moved else "reload the stack's nginx"


def _read(site: Site, container: Container) -> str:
    """What nginx says that it has read; on a busy machine it may be late, and is asked again."""
    words = ["curl", "-fsS", "-m", "4", ADDRESS]

    def asked() -> str:
        status, said = site.docker.execute(container.id, words)
        return "" if status else said

    try:
        return until(asked, within_s=site.within(READ_WITHIN_S), every_s=0.5)
    except NotRunning:
        return ""


def _require_answers(one: Led, container: Container) -> None:
    """Each new one answers a request as nginx will send it; a connection proves nothing.

    Raises:
        StepError: one does not, and is removed; nobody has seen it.
    """
    for name, colour in one.moved.items():
        within_s = one.site.within(ANSWERS_WITHIN_S)
        status = gate.answer(one.site, container, name, colour, within_s=within_s)
        if not gate.good(status):
            raise _refused(one, name, status)


def _hand_over(site: Site) -> None:
    """No old worker takes a job that a new API asks for: it might not know it.

    Raises:
        StepError: a new worker does not answer; the old one goes on.
    """
    if wrong := hand_over(site, pairs(site)):
        raise StepError(
            "compose", wrong, advice="the old ones serve on; read its log, and deploy again"
        )


def _refused(one: Led, name: str, status: str) -> StepError:
    said = "".join(_removed(one.site, name, one.moved[name]))
    return StepError(
        "compose",
        f"the new {name} answers {gate.shown(status)} on {one.site.node.name}:\n{said}",
        tried=f"curl {gate.address(one.site, name, one.moved[name])}",
        advice="the old one serves on; mend what it says and deploy again",
    )


def _removed(site: Site, name: str, colour: Colour) -> Iterator[str]:
    """The last words of that container, which is gone then."""
    for one in site.docker.containers(site.environment.dify.project):
        if one.service == name and one.colour == colour:
            yield masked(site.docker.logs(one.id), site)
            site.docker.remove(one.id)


def _require_sound(one: Led, container: Container) -> None:
    """nginx takes the file, tried beside the one it has."""
    path = one.site.environment.dify.home / ROUTES
    _write(one.site, f"{path.parent.name}/{TRIED}", one.wanted)
    folder = one.site.release.services[NGINX].folders[path.parent.name]
    words = ["nginx", "-t", "-q", "-c", f"{folder}/{TRIED}"]
    status, said = one.site.docker.execute(container.id, words)
    one.site.node.run(Command(("rm", "-f", str(path.with_name(TRIED)))))
    if status:
        found = nginx.complaint(said)
        raise StepError(
            "compose",
            f"the stack's nginx refuses its routes: {found.reason if found else said.strip()}",
            advice="what served before serves on; the routes of the release decide this file",
        )


def _write(site: Site, name: str, text: str) -> None:
    path = site.environment.dify.home / name
    site.node.write(File(path, text.encode(), mode=0o644, keep_previous=False))
