"""Every image the stack needs is in the engine."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from clients.docker_objects import Image
from clients.registry import ANSWER_S, address
from config.desired.services import images
from config.rules.sources import sources
from tasks.core.engine import usable
from tasks.core.retries import Attempts
from tasks.core.site import Site
from tasks.core.step import Change, Kind
from tasks.images import held, stand_ins
from tasks.images.bundle_loader import accepts
from tasks.images.image_file import load_archive
from tasks.images.pull import pull
from tasks.images.stand_ins import read_recipe

log = logging.getLogger("rollout")


@dataclass(frozen=True, slots=True)
class Actual:
    """Reference → the image the engine has under that name, and the digest it must have."""

    present: dict[str, Image]
    pins: dict[str, str]


@dataclass(frozen=True, slots=True)
class Images:
    """Each wanted reference names an image that is acceptable to `images.source`."""

    site: Site
    name: str = "images"
    settle_s: float = 0.0

    def observe(self) -> Actual:
        if not usable(self.site):
            return Actual({}, {})
        found = {
            reference: self.site.docker.image(reference) for reference in self._wanted().values()
        }
        present = {reference: image for reference, image in found.items() if image}
        return Actual(present, held.pins(self.site))

    def plan(self, actual: Actual) -> list[Change]:
        source = self.site.environment.images.source
        return [
            Change(
                Kind.MAKE,
                reference,
                f"get {reference}",
                self._state(reference, actual),
                source,
                action=role,
            )
            for role, reference in self._wanted().items()
            if not self._accepts(role, actual.present.get(reference), actual.pins)
        ]

    def apply(self, change: Change) -> None:
        """The first change gets all that is missing: they come from one place, side by side."""
        actual = self.observe()
        missing = {c.action: self._wanted()[c.action] for c in self.plan(actual)}
        if not missing:
            return
        config = self.site.environment.images
        if config.source == "archive" or (config.source == "auto" and config.archive):
            load_archive(self.site.docker, Path(config.archive), list(missing.values()))
        elif config.source == "rehearsal" or (
            config.source == "auto" and not self._reachable(missing)
        ):
            self._rehearse(missing)
        else:
            attempts = Attempts.of(self.site.environment.nodes.retries)
            pull(self.site.docker, list(missing.values()), config, actual.pins, attempts)

    def reference(self, change: Change) -> str:
        """The image a change is about."""
        return self._wanted()[change.action]

    def _accepts(self, role: str, image: Image | None, pins: Mapping[str, str]) -> bool:
        """A pinned image is the one pinned; a rehearsal serves only where one may run, and
        only while its recipe is unchanged."""
        if image is None:
            return False
        if not _is_rehearsal(image):
            pin = pins.get(self._wanted()[role])
            return pin is None or accepts(image, pin)
        config = self.site.environment.images
        if config.source not in ("auto", "rehearsal"):
            return False
        recipe = read_recipe()
        digest = recipe.digest(role, stand_ins.version_of(self._wanted()[role]))
        return image.labels.get(stand_ins.RECIPE) == digest

    def _reachable(self, missing: dict[str, str]) -> bool:
        """Whether for every image some registry answers within `ANSWER_S` times the patience."""
        config = self.site.environment.images
        asked = [sources(reference, None, config.registries) for reference in missing.values()]
        hosts = {source.registry for some in asked for source in some}
        up = {host for host in hosts if answers(host, self.site.within(ANSWER_S))}
        return all(any(source.registry in up for source in some) for some in asked)

    def _rehearse(self, missing: dict[str, str]) -> None:
        log.info("images: no registry answers, building rehearsal images")
        recipe = read_recipe()
        for role, reference in missing.items():
            stand_ins.build(self.site.docker, self.site.node, recipe, role, reference)
            log.info("images: built %s (rehearsal)", reference)

    def _state(self, reference: str, actual: Actual) -> str:
        image = actual.present.get(reference)
        if image is None:
            return "absent"
        if _is_rehearsal(image):
            return "rehearsal"
        return "another digest" if reference in actual.pins else "present"

    def _wanted(self) -> dict[str, str]:
        return images(self.site.environment, self.site.release)


def rehearsal_images(site: Site) -> list[str]:
    """Those of the wanted images that are stand-ins."""
    if site.docker.trouble():
        return []
    wanted = images(site.environment, site.release).values()
    return [reference for reference in wanted if _is_rehearsal(site.docker.image(reference))]


def answers(host: str, timeout_s: float) -> bool:
    """Whether a registry says anything; asking for a login is an answer too."""
    try:
        httpx.get(f"{address(host)}/v2/", timeout=timeout_s)
    except httpx.HTTPError:
        return False
    return True


def _is_rehearsal(image: Image | None) -> bool:
    return image is not None and image.labels.get(stand_ins.LABEL) == "true"
