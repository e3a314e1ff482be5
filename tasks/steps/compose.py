"""The stack's containers run, from the wanted images and settings, and are healthy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clients.command import CommandFailed
from clients.docker_objects import Container, Image
from config.desired import compose as desired
from config.desired import env_file
from config.desired.services import active, images
from config.desired.stack import mounted_files
from config.errors import StepError
from tasks.core import release_file
from tasks.core.engine import usable
from tasks.core.masking import masked
from tasks.core.nodes import on_each
from tasks.core.project_owner import other_folder, require_own_project, way_on, why
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.core.storage_authority import storage_authority
from tasks.images import held
from tasks.steps.docker import compose_prefix
from tasks.steps.firewall import Firewall, remove_rules
from tasks.steps.firewall_unit import RulesAtStart, remove_unit
from tasks.steps.networks import Networks, Unused
from tasks.tools import compose

LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class Actual:
    """Containers by service, the hash each should have, the id of each image by reference.

    Without an engine or Compose there are none of them. `other`: the folder of another stack that
    has the project's name.
    """

    containers: dict[str, list[Container]]
    hashes: dict[str, str]
    images: dict[str, str]
    other: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """Every active service runs once and is healthy; nothing else of the project runs."""

    site: Site
    name: str = "compose"
    settle_s: float = 10.0

    def observe(self) -> Actual:
        if not usable(self.site):
            return Actual({}, {}, {})
        found: dict[str, list[Container]] = {}
        containers = self._containers()
        for container in containers:
            found.setdefault(container.service, []).append(container)
        hashes = self._hashes() if found else {}
        return Actual(found, hashes, _ids(self._images()), other_folder(self.site, containers))

    def _containers(self) -> list[Container]:
        found = self.site.docker.containers(self.site.environment.dify.project)
        return [container for container in found if not container.one_off]

    def _images(self) -> dict[str, Image]:
        """Reference → the image of that name that is here."""
        wanted = images(self.site.environment, self.site.release).values()
        found = {reference: self.site.docker.image(reference) for reference in wanted}
        return {reference: image for reference, image in found.items() if image}

    def _hashes(self) -> dict[str, str]:
        """Of the wanted files, written or not: a plan knows what the settings step will change."""
        environment, release = self.site.environment, self.site.release
        files = mounted_files(environment, release, storage_authority(self.site))
        command = compose.hashes(
            compose_prefix(self.site.node),
            environment.dify.home,
            document=desired.render(environment, release, files),
            settings=env_file.settings(environment, release, self.site.secrets),
        )
        try:
            return compose.parse_hashes(self.site.node.run(command))
        except CommandFailed as error:
            raise StepError("compose", masked(str(error), self.site)) from None

    def plan(self, actual: Actual) -> Sequence[Planned]:
        if actual.other:
            what = f"start {self.site.environment.dify.project}"
            return [Blocked(what, why(self.site, actual.other), way_on(self.site))]
        running = active(self.site.environment, self.site.release)
        changes: list[Change] = []
        for name, service in running.items():
            image = actual.images.get(self.site.release.images[service.image])
            changes += _gap(name, actual.containers.get(name, []), actual.hashes.get(name), image)
        orphans = [name for name in actual.containers if name not in running]
        changes += [
            _change(Kind.REMOVE, name, f"remove {name}", "running", "not wanted")
            for name in orphans
        ]
        return changes

    def apply(self, change: Change) -> None:
        environment = self.site.environment
        for container in self._containers():
            if container.state == "running" and container.health == "unhealthy":
                self.site.docker.remove(container.id)
        command = compose.up(
            compose_prefix(self.site.node),
            environment.dify.home,
            wait_s=environment.dify.start_within_s,
        )
        try:
            done = self.site.node.attempt(command)
        except CommandFailed as error:
            raise self._trouble(str(error)) from None
        if done.status != 0 or self._unmade():
            raise self._trouble(f"{command}: exit status {done.status}\n{_last(done.stderr)}")
        before, found = release_file.read(environment, self.site.node), self._images()
        now = _ids(found)
        release_file.update(
            environment,
            self.site.node,
            version=self.site.release.version,
            images=now,
            held=held.learned(found, before.held),
            previous=before.previous if before.images == now else before.images,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _unmade(self) -> bool:
        """Whether a service has no container: Compose may end well without having made it."""
        made = {container.service for container in self._containers()}
        return not made.issuperset(active(self.site.environment, self.site.release))

    def _trouble(self, said: str) -> StepError:
        """Which service is not well, in its own last words; else what Compose said."""
        for container in self._containers():
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


def _ids(found: Mapping[str, Image]) -> dict[str, str]:
    return {reference: image.id for reference, image in found.items()}


def compose_steps(site: Site) -> list[Step[Any]]:
    return on_each(
        site,
        lambda each: [
            Networks(each),
            Firewall(each),
            RulesAtStart(each),
            Stack(each),
            Unused(each),
        ],
    )


def down(site: Site) -> None:
    """No container, network or rule of the project is left on any node; data stays."""
    home, project = site.environment.dify.home, site.environment.dify.project
    for each in site.on_each():
        if usable(each):
            require_own_project(each, each.docker.containers(project))
    for each in site.on_each():
        remove_rules(each)
        remove_unit(each)
        if not usable(each):
            continue
        if each.node.read(home / "compose.yaml") is not None:
            each.node.run(compose.down(compose_prefix(each.node), home))
        for container in each.docker.containers(project):
            each.docker.remove(container.id)
        each.docker.remove_networks(project)


def running_services(site: Site) -> list[str]:
    """Services of the stack that run on some node."""
    project = site.environment.dify.project
    found = [container for each in site.on_each() for container in each.docker.containers(project)]
    return sorted({c.service for c in found if c.state == "running" and not c.one_off})


def stop_services(site: Site, services: list[str]) -> None:
    """These services do not run on any node, if they did."""
    home, project = site.environment.dify.home, site.environment.dify.project
    for each in site.on_each():
        found = each.docker.containers(project)
        require_own_project(each, found)
        up = {c.service for c in found if c.state == "running" and not c.one_off}
        if wanted := [name for name in services if name in up]:
            each.node.run(compose.stop(compose_prefix(each.node), home, wanted))


def start_services(site: Site, services: list[str]) -> None:
    """The containers there are of these services run again, as they were made."""
    for each in site.on_each():
        for container in each.docker.containers(site.environment.dify.project):
            if container.service in services and not container.one_off:
                each.docker.start(container.id)


def _gap(
    name: str, containers: list[Container], wanted_hash: str | None, image: str | None
) -> list[Change]:
    if not containers:
        return [_change(Kind.START, name, f"start {name}", "absent", "running")]
    found = containers[0]
    if image is not None and found.image != image:
        return [_change(Kind.CHANGE, name, f"recreate {name}", found.image[7:19], image[7:19])]
    if wanted_hash is not None and found.config_hash != wanted_hash:
        return [_change(Kind.CHANGE, name, f"recreate {name}", "other settings", "as config says")]
    if not found.ready:
        return [
            _change(Kind.RESTART, name, f"recover {name}", found.health or found.state, "running")
        ]
    if len(containers) > 1:
        return [
            _change(
                Kind.REMOVE,
                f"extra {name}",
                f"remove {len(containers) - 1} extra {name}",
                "running",
                "one",
            )
        ]
    return []


def _change(kind: Kind, target: str, what: str, before: str, after: str) -> Change:
    """One `up` serves every change."""
    return Change(kind, target, what, before, after, action="up")
