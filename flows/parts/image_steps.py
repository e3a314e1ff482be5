"""What is done with images apart from a deploy, as Prefect tasks."""

from pathlib import Path

from config.desired.services import images as wanted_images
from flows.parts.tasks import step
from flows.parts.transfers import transfers
from tasks.core.site import Site
from tasks.images import prune as housekeeping
from tasks.images.added_files import extract
from tasks.images.bundle_loader import load as load_bundle
from tasks.images.bundle_proof import prove
from tasks.images.bundle_reader import opened
from tasks.images.bundle_writer import write
from tasks.tools.bundle import Contents


def _bundle(site: Site, *, file: Path, extra: list[Path]) -> Contents:
    """The bundle of what the first node has."""
    wanted = list(wanted_images(site.environment, site.release).values())
    release = site.release.version
    with transfers(site):
        return write(site.docker, wanted, file, environment=site.name, release=release, extra=extra)


def _verify(site: Site, *, file: Path) -> Contents:
    """What the bundle holds, every byte of it checked."""
    bundle = opened(file)
    with transfers(site):
        prove(bundle)
    return bundle.contents


def _load(site: Site, *, file: Path, extra_to: Path | None) -> dict[str, list[str]]:
    """What of the bundle had to be sent to each node."""
    bundle = opened(file)
    if extra_to:
        extract(bundle, extra_to)
    with transfers(site):
        return load_bundle(bundle, {each.node.name: each.docker for each in site.on_each()})


bundle = step(_bundle, "bundle")
verify = step(_verify, "verify")
load = step(_load, "load")
prune = step(housekeeping.prune, "prune")
