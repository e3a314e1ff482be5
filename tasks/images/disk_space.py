"""How much disk the images that are still missing need."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blocks import login
from clients.registry import ANSWER_S, packed_size
from config.errors import RolloutError
from config.rules.finding import Reading, bad, good
from config.rules.sources import sources
from tasks.core.site import Site
from tasks.images import bundle_reader
from tasks.images.held import pins
from tasks.images.load_space import needed as needed_to_load
from tasks.steps.images import Images

# A layer lies there packed and, about three times as large, unpacked.
PER_PACKED_BYTE = 4
ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
_GB = 1000**3


def room(site: Site, free: int, architecture: str) -> list[Reading]:
    """Whether the images fit into `free` bytes; nothing where none is missing or size matters."""
    config = site.environment.images
    if config.source not in ("registry", "archive"):
        return []
    step = Images(site)
    missing = [step.reference(change) for change in step.plan(step.observe())]
    if not missing:
        return []
    try:
        needed = (
            _in_archive(Path(config.archive), missing)
            if config.source == "archive"
            else _in_registries(site, missing, ARCHITECTURES.get(architecture, architecture))
        )
    except RolloutError as error:
        return [bad("images", str(error))]
    if needed is None:
        said = f"{len(missing)} to get; how large they are is not known before"
        return [good("images", said)]
    detail = f"{len(missing)} to get need about {needed / _GB:.1f} GB, free are {free / _GB:.1f} GB"
    if needed <= free:
        return [good("images", detail)]
    return [bad("images", detail, f"free some: rollout images prune {site.name}")]


def _in_archive(path: Path, missing: list[str]) -> int | None:
    if not path.is_file():
        raise RolloutError(f"images.archive: no file {path}")
    if not bundle_reader.is_bundle(path):
        return None
    contents = bundle_reader.opened(path).contents
    wanted = [image for image in contents.images if image.reference in missing]
    return needed_to_load(contents, [layer for image in wanted for layer in image.layers])


def _in_registries(site: Site, missing: list[str], architecture: str) -> int | None:
    """What the first registry that knows each image says; None if one is known nowhere."""
    config, known_digests = site.environment.images, pins(site)
    logins = {
        registry: login.load(name, f"images.logins.{registry}")
        for registry, name in config.logins.items()
    }

    def size(reference: str) -> int | None:
        for source in sources(reference, known_digests.get(reference), config.registries):
            known = logins.get(source.registry)
            found = packed_size(source, known, architecture, site.within(ANSWER_S))
            if found is not None:
                return found
        return None

    with ThreadPoolExecutor(len(missing)) as pool:
        sizes = list(pool.map(size, missing))
    known = [size for size in sizes if size is not None]
    return PER_PACKED_BYTE * sum(known) if len(known) == len(sizes) else None
