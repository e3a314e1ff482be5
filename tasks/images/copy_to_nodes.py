"""One node got the images; the others get them from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from docker.errors import DockerException
from requests import RequestException

from clients.docker import Docker
from config.desired.services import digests
from config.errors import RolloutError, StepError
from tasks.core.progress import Moved, tell
from tasks.core.site import Site
from tasks.core.step import Change, Step
from tasks.images.bundle_loader import accepts, pin
from tasks.images.tar import CHUNK
from tasks.steps.images import Actual, Images

NODES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Copied:
    """What the first node's engine has of the wanted images, the one of `to` has too."""

    site: Site
    to: Site
    name: str = "images"
    settle_s: float = 0.0

    def observe(self) -> Actual:
        return Images(self.to).observe()

    def plan(self, actual: Actual) -> list[Change]:
        node, after = self.to.node.name, f"as {self.site.node.name} has it"
        return [
            replace(change, what=f"{node}: {change}", after=after)
            for change in Images(self.to).plan(actual)
        ]

    def apply(self, change: Change) -> None:
        """The first change sends all that the node lacks, in one stream."""
        step = Images(self.to)
        if lacking := [step.reference(change) for change in step.plan(step.observe())]:
            copy(self.site.docker, self.to, lacking)


def images_steps(site: Site) -> Sequence[Step[Any]]:
    """The first node gets the images from where the environment says, the others from it."""
    names = [each.node.name for each in site.on_each()[1:]]
    return [*fetch_steps(site), *(step for name in names for step in copy_steps(site, name))]


def fetch_steps(site: Site) -> Sequence[Step[Any]]:
    """The first node gets the images."""
    return [Images(site.on_each()[0])]


def copy_steps(site: Site, node: str) -> Sequence[Step[Any]]:
    """This other node gets them from the first."""
    return [Copied(site, each) for each in site.on_each()[1:] if each.node.name == node]


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
