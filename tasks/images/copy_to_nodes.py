"""One node got the images; the others get them from it."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from docker.errors import DockerException
from requests import RequestException

from clients.docker import Docker
from config.desired.services import digests
from config.errors import RolloutError, StepError
from tasks.core.progress import Moved, tell
from tasks.core.side_by_side import side_by_side
from tasks.core.site import Site
from tasks.core.step import Change, Step
from tasks.images.bundle_loader import accepts, pin
from tasks.images.tar import CHUNK
from tasks.steps.images import Images, Seen

NODES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Spread:
    """What the first node's engine has of the wanted images, the others' have too."""

    site: Site
    name: str = "images"
    settle_s: float = 0.0

    def observe(self) -> list[Seen]:
        return [Images(each).observe() for each in self._others()]

    def plan(self, actual: list[Seen]) -> list[Change]:
        changes: list[Change] = []
        for each, seen in zip(self._others(), actual, strict=True):
            for change in Images(each).plan(seen):
                what, after = f"{each.node.name}: {change}", f"as {self.site.node.name} has it"
                changes.append(replace(change, what=what, after=after))
        return changes

    def apply(self, change: Change) -> None:
        """The first change sends to every node all that it lacks, side by side."""
        lacking = {each.node.name: each for each in self._others() if self._lacks(each)}

        def send(node: str) -> None:
            copy(self.site.docker, lacking[node], self._lacks(lacking[node]))

        side_by_side(send, list(lacking), NODES_AT_ONCE, threading.Event())

    def _lacks(self, each: Site) -> list[str]:
        step = Images(each)
        return [step.reference(change) for change in step.plan(step.observe())]

    def _others(self) -> list[Site]:
        return self.site.on_each()[1:]


def images_steps(site: Site) -> Sequence[Step[Any]]:
    """The first node gets the images from where the environment says, the others from it."""
    first, *others = site.on_each()
    return [Images(first), Spread(site)] if others else [Images(first)]


def copy(source: Docker, target: Site, references: list[str]) -> None:
    """The images are in the target's engine, streamed from the source's."""
    node = target.node.name
    try:
        with source.saved(references) as archive:
            target.docker.load(_counted(archive, node))
    except (DockerException, RequestException, RolloutError, OSError) as error:
        raise StepError(
            "images", f"{', '.join(references)} could not be sent to {node}: {error}",
            advice="run it again, it sends what is missing",
        ) from None  # fmt: skip
    pins = digests(target.environment, target.release)
    for reference in references:
        original, copied = source.image(reference), target.docker.image(reference)
        wanted = pins.get(reference)
        if wanted and copied and original and accepts(original, wanted):
            pin(target.docker, copied, wanted)


def _counted(archive: IO[bytes], node: str) -> Iterator[bytes]:
    done = 0
    while data := archive.read(CHUNK):
        done += len(data)
        tell(Moved(f"to {node}", "images", done, 0))
        yield data
