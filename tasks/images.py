"""Every image the stack needs is in the engine."""

import bz2
import gzip
import logging
import lzma
import random
import time
import zlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import httpx
from docker.errors import DockerException

from blocks.docker import Docker, Image
from config.desired.services import images
from config.errors import RolloutError, StepError
from tasks import rehearsal
from tasks.nodes import on_each
from tasks.rehearsal import read_recipe
from tasks.site import Site
from tasks.step import Change, Step
from tasks.tools.registry import Refusal, judge, registry_of

log = logging.getLogger("rollout")

PULLS_AT_ONCE = 3
ATTEMPTS = 4
BACKOFF_S = 2.0
OPENERS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}


@dataclass(frozen=True, slots=True)
class Seen:
    """Reference → the image the engine has under that name."""

    present: dict[str, Image]


@dataclass(frozen=True, slots=True)
class Images:
    """Each wanted reference names an image that is acceptable to `images.source`."""

    site: Site
    name: str = "images"
    settle_s: float = 0.0

    def observe(self) -> Seen:
        if self.site.docker.trouble():
            return Seen({})
        found = {
            reference: self.site.docker.image(reference) for reference in self._wanted().values()
        }
        return Seen({reference: image for reference, image in found.items() if image})

    def plan(self, actual: Seen) -> list[Change]:
        source = self.site.environment.images.source
        return [
            Change(f"get {reference}", _state(actual.present.get(reference)), source, action=role)
            for role, reference in self._wanted().items()
            if not self._accepts(role, actual.present.get(reference))
        ]

    def apply(self, change: Change) -> None:
        """The first change gets all that is missing: they come from one place, side by side."""
        missing = {c.action: self._wanted()[c.action] for c in self.plan(self.observe())}
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
            pull(self.site.docker, list(missing.values()), config.pull_within_s)

    def _accepts(self, role: str, image: Image | None) -> bool:
        """A rehearsal serves only where one may run, and only while its recipe is unchanged."""
        if image is None:
            return False
        if not _is_rehearsal(image):
            return True
        config = self.site.environment.images
        if config.source not in ("auto", "rehearsal"):
            return False
        recipe = read_recipe(config.rehearsal)
        digest = recipe.digest(role, self.site.release.version)
        return image.labels.get(rehearsal.RECIPE) == digest

    def _reachable(self, missing: dict[str, str]) -> bool:
        """Whether every registry answers at all within `images.registry_timeout_s`."""
        hosts = {registry_of(reference) for reference in missing.values()}
        limit = self.site.environment.images.registry_timeout_s
        return all(answers(host, limit) for host in hosts)

    def _rehearse(self, missing: dict[str, str]) -> None:
        log.info("images: no registry answers, building rehearsal images")
        recipe = read_recipe(self.site.environment.images.rehearsal)
        for role, reference in missing.items():
            release = self.site.release.version
            rehearsal.build(self.site.docker, self.site.node, recipe, role, release, reference)
            log.info("images: built %s (rehearsal)", reference)

    def _wanted(self) -> dict[str, str]:
        return images(self.site.environment, self.site.release)


def images_steps(site: Site) -> list[Step[Seen]]:
    return on_each(site, lambda each: [Images(each)])


def rehearsal_images(site: Site) -> list[str]:
    """Those of the wanted images that are stand-ins."""
    if site.docker.trouble():
        return []
    wanted = images(site.environment, site.release).values()
    return [reference for reference in wanted if _is_rehearsal(site.docker.image(reference))]


def answers(host: str, timeout_s: float) -> bool:
    """Whether a registry says anything; asking for a login is an answer too."""
    scheme = "http" if host.startswith(("127.0.0.1", "localhost")) else "https"
    try:
        httpx.get(f"{scheme}://{host}/v2/", timeout=timeout_s)
    except httpx.HTTPError:
        return False
    return True


def pull(docker: Docker, references: list[str], within_s: float) -> None:
    """All references, a few at a time.

    Raises:
        StepError: the first that cannot be had, when the others have ended.
    """
    deadline = time.monotonic() + within_s
    with ThreadPoolExecutor(PULLS_AT_ONCE) as pool:
        running = {
            # The run's log is found through the context.
            pool.submit(copy_context().run, _pull_one, docker, r, deadline): r
            for r in references
        }
        for future in as_completed(running):
            future.result()
            log.info("images: pulled %s", running[future])


def _pull_one(docker: Docker, reference: str, deadline: float) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            for _ in docker.pull(reference):
                if time.monotonic() > deadline:
                    raise StepError(
                        "images",
                        f"{reference}: the pull took longer than images.pull_within_s",
                        advice="run it again, it resumes; or raise the limit",
                    )
        except (DockerException, RolloutError, OSError) as error:
            if isinstance(error, StepError):
                raise
            reason = _reason(error)
            refusal = judge(reason)
            if refusal is not Refusal.PASSING or attempt == ATTEMPTS:
                raise StepError(
                    "images",
                    f"{reference}: {refusal.value}",
                    tried=str(error),
                    advice=refusal.advice,
                ) from None
            wait = BACKOFF_S * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            log.info("images: %s did not come (%s); again in %.0f s", reference, reason, wait)
            time.sleep(wait)
        else:
            return


def _reason(error: Exception) -> str:
    """The engine's own words, without the address of its socket around them."""
    return str(getattr(error, "explanation", None) or error)


def load_archive(docker: Docker, path: Path, wanted: list[str]) -> None:
    """Load what `docker save` wrote.

    Raises:
        StepError: no such file, not an archive of images, or an image is not in it.
    """
    advice = "make it with: docker save IMAGE… | gzip > FILE"
    try:
        with _opened(path) as stream:
            docker.load(stream)
    except FileNotFoundError:
        raise StepError("images", f"images.archive: no file {path}", advice=advice) from None
    except (RolloutError, DockerException, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise StepError(
            "images", f"images.archive: {path} is broken or not made by docker save: {error}",
            advice=advice,
        ) from None  # fmt: skip
    missing = [reference for reference in wanted if docker.image(reference) is None]
    if missing:
        raise StepError(
            "images", f"images.archive: {path} does not hold {', '.join(missing)}", advice=advice
        )


@contextmanager
def _opened(path: Path) -> Generator[IO[bytes]]:
    with path.open("rb") as raw:
        head = raw.read(6)
    opener: Any = next((o for magic, o in OPENERS.items() if head.startswith(magic)), open)
    with opener(path, "rb") as stream:
        yield cast(IO[bytes], stream)


def _state(image: Image | None) -> str:
    if image is None:
        return "absent"
    return "rehearsal" if _is_rehearsal(image) else "present"


def _is_rehearsal(image: Image | None) -> bool:
    return image is not None and image.labels.get(rehearsal.LABEL) == "true"
