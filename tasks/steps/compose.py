"""The stack's containers run, from the wanted images and settings, and are healthy."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clients.command import Command, CommandFailed
from clients.files import File
from config.desired.colours import Colours
from config.desired.services import active
from config.desired.stack import ROUTES, routes_file
from config.errors import StepError
from tasks.core import release_file
from tasks.core.masking import masked
from tasks.core.nodes import on_each
from tasks.core.project_owner import way_on, why
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.images import held
from tasks.steps.containers import containers
from tasks.steps.docker import compose_prefix
from tasks.steps.drain import Drain
from tasks.steps.ending import drained
from tasks.steps.firewall import Firewall
from tasks.steps.firewall_unit import RulesAtStart
from tasks.steps.networks import Networks, Unused
from tasks.steps.outage import announced
from tasks.steps.routes import Routes
from tasks.steps.share import gently
from tasks.steps.stack_actual import Actual
from tasks.steps.stack_changes import by_up, of_service
from tasks.steps.stack_look import Looks, image_ids, images_here
from tasks.steps.stack_nginx import NGINX
from tasks.steps.written import write
from tasks.tools import compose

LAST_LINES = 12
_ENDED = ("created", "exited", "dead")


@dataclass(frozen=True, slots=True)
class Stack:
    """Every active service runs in its wanted colour and is healthy; no service else runs.

    A new container that may run beside the old one gets the other colour, which nothing leads to
    yet: routes are switched by `Routes`, and `Drain` takes away what was replaced.
    """

    site: Site
    looks: Looks = field(default_factory=Looks)
    name: str = "compose"
    settle_s: float = 10.0

    def observe(self) -> Actual:
        return self.looks.anew(self.site)

    def plan(self, actual: Actual) -> Sequence[Planned]:
        if actual.other:
            what = f"start {self.site.environment.dify.project}"
            return [Blocked(what, why(self.site, actual.other), way_on(self.site))]
        changes: list[Change] = []
        for name, colour in actual.wanted().items():
            changes += of_service(name, colour, actual)
        changes += [
            by_up(Kind.REMOVE, one.defined, f"remove {one.defined}", "running", "not wanted")
            for one in actual.orphans()
        ]
        return changes

    def apply(self, change: Change) -> None:
        seen = self.observe()
        self.looks.forget()
        colours = seen.wanted()
        self._make_way(seen, colours)
        self._write(seen, colours)
        began = time.monotonic()
        try:
            with announced(self.site, seen.away()):
                self._up(seen.beside())
        except StepError:
            self._take_back(seen)
            raise
        start_s = round(time.monotonic() - began)
        before = release_file.read(self.site.environment, self.site.node)
        found = images_here(self.site)
        now = image_ids(found)
        release_file.update(
            self.site.environment,
            self.site.node,
            version=self.site.release.version,
            images=now,
            held=held.learned(found, before.held),
            previous=before.previous if before.images == now else before.images,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            start_s=start_s,
        )

    def _make_way(self, seen: Actual, colours: Colours) -> None:
        """What is ill, of no service, or where another one has to start, is gone."""
        for one in self.site.docker.containers(self.site.environment.dify.project):
            if one.one_off and one.state in _ENDED:  # of a killed migration
                self.site.docker.remove(one.id)
        for one in (each for each in seen.kept if each.colour == colours.get(each.service)):
            drained(self.site, one)
        for one in seen.orphans():
            self.site.docker.stop(one.id)
            self.site.docker.remove(one.id)
        for one in (each for name, colour in colours.items() for each in seen.of(name, colour)):
            unhealthy = one.state == "running" and one.health == "unhealthy"
            if unhealthy or seen.outside(one):  # Compose would take both for up to date
                self.site.docker.remove(one.id)
            elif one.colour != seen.serving(one.service) and not seen.fits(one):
                drained(self.site, one)

    def _write(self, seen: Actual, colours: Colours) -> None:
        """compose.yaml names these colours; routes that nothing has read yet lead to them."""
        environment, release, node = self.site.environment, self.site.release, self.site.node
        write(self.site, colours)
        if NGINX in seen.services and not seen.stays(NGINX):
            path, text = environment.dify.home / ROUTES, routes_file(environment, release, colours)
            node.write(File(path, text.encode(), mode=0o644, keep_previous=False))
            # It is nobody's secret, and is read by nginx's own user.
            node.run(Command(("chmod", "755", str(path.parent))))

    def _up(self, beside: list[str]) -> None:
        environment = self.site.environment
        command = compose.up(
            compose_prefix(self.site.node),
            environment.dify.home,
            wait_s=environment.dify.start_within_s,
            orphans=True,
        )
        try:
            with gently(self.site, beside):
                done = self.site.node.attempt(command)
        except CommandFailed as error:
            raise self._trouble(str(error)) from None
        if done.status != 0 or self._unmade():
            raise self._trouble(f"{command}: exit status {done.status}\n{_last(done.stderr)}")

    def _take_back(self, seen: Actual) -> None:
        """New ones that do not run well beside what serves are gone: nobody has seen them."""
        for one in containers(self.site):
            known = one.service in seen.services and seen.containers.get(one.service)
            if known and one.colour != seen.serving(one.service) and not one.ready:
                self.site.docker.remove(one.id)

    def _unmade(self) -> bool:
        """Whether a service has no container: Compose may end well without having made it."""
        made = {container.service for container in containers(self.site)}
        return not made.issuperset(active(self.site.environment, self.site.release))

    def _trouble(self, said: str) -> StepError:
        """Which service is not well, in its own last words; else what Compose said."""
        for container in containers(self.site):
            if container.began and not container.ready:
                words = masked(self.site.docker.logs(container.id), self.site)
                return StepError(
                    "compose",
                    f"{container.service} is {container.health or container.state}:\n{words}",
                    tried="docker compose up --wait",
                    advice="mend what it says, or raise dify.start_within_s, and deploy again",
                )
        return StepError(
            "compose", masked(said, self.site), advice="mend what it says, and deploy again"
        )


def _last(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-LAST_LINES:])


def compose_steps(site: Site) -> list[Step[Any]]:
    """The whole step: what was replaced is gone in the end."""
    looks = Looks()
    return [
        *switch_steps(site, looks),
        Drain(site.on_each(), looks),
        *on_each(site, lambda each: [Unused(each)]),
    ]


def switch_steps(site: Site, looks: Looks | None = None) -> list[Step[Any]]:
    """New containers come up on every node, and then are led to."""
    seen = looks or Looks()
    return [*on_each(site, lambda each: _on_node(each, seen)), Routes(site.on_each(), seen)]


def _on_node(site: Site, looks: Looks) -> list[Step[Any]]:
    started: list[Step[Any]] = [Firewall(site), RulesAtStart(site), Stack(site, looks)]
    return [Networks(site, started), *started]
