"""The stack's nginx leads to the containers that compose.yaml names: the switch of a stack."""

from collections.abc import Iterator
from dataclasses import dataclass

from clients.command import Command
from clients.docker import NotRunning
from clients.docker_objects import Container
from clients.files import File
from config.desired.colours import Colour
from config.desired.services import active
from config.desired.stack import ROUTES, routed_colours, routes_digest, routes_file
from config.errors import StepError
from tasks.core.engine import usable
from tasks.core.masking import masked
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.steps import gate
from tasks.steps.written import written
from tasks.tools import nginx

NGINX = "nginx"
TRIED = "next.conf"
ANSWERS_WITHIN_S = 15.0
ADDRESS = "http://127.0.0.1/nginx-health"


def stack_nginx(site: Site) -> Container | None:
    """The container of the stack's nginx that runs."""
    found = site.docker.containers(site.environment.dify.project)
    return next((c for c in found if c.service == NGINX and c.state == "running"), None)


def reload(site: Site) -> None:
    """The stack's nginx, where one runs, reads its file again."""
    if container := stack_nginx(site):
        site.docker.signal(container.id, "HUP")


@dataclass(frozen=True, slots=True)
class Actual:
    """nginx's container, None where none runs; its file, and the digest of what it has read."""

    container: Container | None
    text: str
    read: str


@dataclass(frozen=True, slots=True)
class Routes:
    """The stack's nginx has read its file, and the file leads to what compose.yaml names."""

    site: Site
    name: str = "compose"
    settle_s: float = 10.0

    def observe(self) -> Actual:
        if NGINX not in active(self.site.environment, self.site.release) or not usable(self.site):
            return Actual(None, "", "")
        content = self.site.node.read(self.site.environment.dify.home / ROUTES)
        container = stack_nginx(self.site)
        return Actual(container, (content or b"").decode(errors="replace"), self._read(container))

    def plan(self, actual: Actual) -> list[Change]:
        text = self._wanted()
        if actual.container is None or (actual.text == text and routes_digest(text) == actual.read):
            return []
        before, after = routed_colours(actual.text), routed_colours(text)
        moved = [f"{name}-{colour}" for name, colour in after.items() if before.get(name) != colour]
        what = f"lead to {', '.join(moved)}" if moved else "reload the stack's nginx"
        return [
            Change(
                Kind.RELOAD, "routes", what, "other routes", "as config says", text,
                follows=bool(moved),
            )
        ]  # fmt: skip

    def apply(self, change: Change) -> None:
        """What fails here changes nothing of what is served."""
        container = stack_nginx(self.site)
        if container is None:
            raise StepError("compose", "the stack's nginx does not run", advice="deploy again")
        for name in self._moved(change.action):
            self._require_answer(container, name)
        self._require_sound(container, change.action)
        self._write(ROUTES, change.action)
        self.site.docker.signal(container.id, "HUP")

    def _wanted(self) -> str:
        return routes_file(self.site.environment, self.site.release, written(self.site))

    def _read(self, container: Container | None) -> str:
        if container is None:
            return ""
        try:
            return self.site.docker.execute(container.id, ["curl", "-fsS", "-m", "4", ADDRESS])[1]
        except NotRunning:
            return ""

    def _moved(self, text: str) -> Iterator[str]:
        """Services that will answer in another colour than now."""
        before, after = routed_colours(self.observe().text), routed_colours(text)
        return (name for name, colour in after.items() if before.get(name) != colour)

    def _require_answer(self, container: Container, name: str) -> None:
        """The new one answers a request as nginx will send it; a connection proves nothing.

        Raises:
            StepError: it does not, and is removed; nobody has seen it.
        """
        status = gate.answer(
            self.site, container, name, within_s=self.site.within(ANSWERS_WITHIN_S)
        )
        if not gate.good(status):
            raise self._refused(name, status)

    def _refused(self, name: str, status: str) -> StepError:
        colour, said = written(self.site).get(name, Colour.BLUE), ""
        for one in self.site.docker.containers(self.site.environment.dify.project):
            if one.service == name and one.colour == colour:
                said = masked(self.site.docker.logs(one.id), self.site)
                self.site.docker.remove(one.id)
        return StepError(
            "compose",
            f"the new {name} answers {gate.shown(status)}:\n{said}",
            tried=f"curl {gate.address(self.site, name)}",
            advice="the old one serves on; mend what it says and deploy again",
        )

    def _require_sound(self, container: Container, text: str) -> None:
        """nginx takes the file, tried beside the one it has."""
        path = self.site.environment.dify.home / ROUTES
        self._write(f"{path.parent.name}/{TRIED}", text)
        folder = self.site.release.services[NGINX].folders[path.parent.name]
        words = ["nginx", "-t", "-q", "-c", f"{folder}/{TRIED}"]
        status, said = self.site.docker.execute(container.id, words)
        self.site.node.run(Command(("rm", "-f", str(path.with_name(TRIED)))))
        if status:
            found = nginx.complaint(said)
            raise StepError(
                "compose",
                f"the stack's nginx refuses its routes: {found.reason if found else said.strip()}",
                advice="what served before serves on; the routes of the release decide this file",
            )

    def _write(self, name: str, text: str) -> None:
        path = self.site.environment.dify.home / name
        self.site.node.write(File(path, text.encode(), mode=0o644, keep_previous=False))
