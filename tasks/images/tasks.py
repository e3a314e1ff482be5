"""What is done with images apart from a deploy, as Prefect tasks."""

from pathlib import Path

from config.desired.services import images as wanted_images
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.images import prune as housekeeping
from tasks.images.added_files import extract
from tasks.images.bundle_loader import load
from tasks.images.bundle_proof import prove
from tasks.images.bundle_reader import opened
from tasks.images.bundle_writer import write
from tasks.images.prune import ReleaseImage
from tasks.steps.table import DAY_S, HOUR_S
from tasks.tools.bundle import Contents


@task("bundle", within_s=DAY_S)
def write_bundle(site: Site, *, file: Path, extra: list[Path]) -> Contents:
    """Write the images that the first node has, and the files beside them, into one file."""
    wanted = list(wanted_images(site.environment, site.release).values())
    release = site.release.version
    return write(site.docker, wanted, file, environment=site.name, release=release, extra=extra)


@task("verify bundle", within_s=DAY_S)
def verify_bundle(site: Site, *, file: Path) -> Contents:
    """Check every byte of a bundle; nothing is loaded."""
    bundle = opened(file)
    prove(bundle)
    return bundle.contents


@task("load", within_s=DAY_S)
def load_bundle(site: Site, *, file: Path, extra_to: Path | None) -> dict[str, list[str]]:
    """Send to each node what it lacks of a bundle; the images that were sent, by node."""
    bundle = opened(file)
    if extra_to:
        extract(bundle, extra_to)
    return load(bundle, {each.node.name: each.docker for each in site.on_each()})


@task("list images", within_s=HOUR_S)
def list_images(site: Site) -> list[ReleaseImage]:
    """List the images of all releases on every node, and why each is kept."""
    return housekeeping.look(site)


@task("prune images", within_s=HOUR_S)
def prune_images(site: Site) -> list[ReleaseImage]:
    """Remove the images of releases that nothing uses and no rollback needs."""
    return housekeeping.prune(site)
