"""Images of releases that nothing uses any more: found, and removed when somebody asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from docker.errors import APIError

from clients.docker import Docker
from clients.docker_objects import Image
from config.desired.services import images
from config.errors import StepError
from config.load import environment_names, load_environment, load_release, release_names
from config.rules.sources import split
from tasks.core import release_file, upgrade_mark
from tasks.core.site import Site
from tasks.images import stand_ins

OURS = "dify-rollout"
VENDOR = "langgenius/"


@dataclass(frozen=True, slots=True)
class ReleaseImage:
    """An image of some release on a node, and why it stays; unused has no reason to."""

    node: str
    image: Image
    why: str

    @property
    def name(self) -> str:
        return ", ".join(self.image.tags) or self.image.id[7:19]


def look(site: Site) -> list[ReleaseImage]:
    """Every image of any release, on every node."""
    upgrade = upgrade_mark.read(site)
    before = upgrade.images if upgrade else {}
    return [kept for each in site.on_each() for kept in _on_node(each, before)]


def unused(found: Iterable[ReleaseImage]) -> list[ReleaseImage]:
    return [kept for kept in found if not kept.why]


def prune(site: Site) -> list[ReleaseImage]:
    """The unused images are gone from every node; those that were.

    Raises:
        StepError: the engine does not let go of one.
    """
    removed = unused(look(site))
    engines = {each.node.name: each.docker for each in site.on_each()}
    for kept in removed:
        try:
            engines[kept.node].forget(kept.image)
        except APIError as error:
            raise StepError(
                "images", f"{kept.name} cannot be removed from {kept.node}: {error.explanation}"
            ) from None
    return removed


def _on_node(site: Site, before: Mapping[str, str]) -> list[ReleaseImage]:
    """`before`: reference → id of what the last upgrade goes back to."""
    docker: Docker = site.docker
    if trouble := docker.trouble():
        raise StepError("images", trouble)
    running = docker.images_in_use()
    deployed = release_file.read(site.environment, site.node)
    kept = {*deployed.images.values(), *deployed.previous.values(), *before.values()}
    wanted, versioned = _wanted(), _versioned()
    found: list[ReleaseImage] = []
    for image in docker.images():
        if not _of_a_release(image, wanted, versioned):
            continue
        if image.id in running:
            why = "a container uses it"
        elif owners := sorted({wanted[tag] for tag in image.tags if tag in wanted}):
            why = f"wanted by {', '.join(owners)}"
        elif image.id in kept or before.keys() & set(image.tags):
            why = "kept for rollback"
        else:
            why = ""
        found.append(ReleaseImage(site.node.name, image, why))
    return found


def _wanted() -> dict[str, str]:
    """Reference → an environment whose release names it: all environments, wherever they run."""
    found: dict[str, str] = {}
    for name in environment_names():
        environment = load_environment(name)
        release = load_release(environment.dify.release)
        found |= dict.fromkeys(images(environment, release).values(), name)
        found |= dict.fromkeys(stand_ins.base_images(), name)
    return found


def _versioned() -> set[str]:
    """Paths of Dify's vendor that releases name: every version there is Dify's.

    What others make, like nginx, may be anybody's.
    """
    named = [
        split(image) for name in release_names() for image in load_release(name).images.values()
    ]
    return {path for _, path, _ in named if path.startswith(VENDOR)}


def _of_a_release(image: Image, wanted: dict[str, str], versioned: set[str]) -> bool:
    if stand_ins.LABEL in image.labels or wanted.keys() & set(image.tags):
        return True
    paths = [split(name)[1] for name in (*image.tags, *image.repositories)]
    return any(
        path.startswith(f"{OURS}/") or any(f"/{path}".endswith(f"/{own}") for own in versioned)
        for path in paths
    )
