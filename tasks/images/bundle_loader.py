"""Loading a bundle: everything is verified first, and only what an engine lacks is sent."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import IO

from docker.errors import DockerException
from requests import RequestException

from clients.docker import Docker
from clients.docker_objects import Image
from config.errors import RolloutError, StepError
from tasks.core.progress import Arrived, tell
from tasks.core.side_by_side import side_by_side
from tasks.images import load_space
from tasks.images.bundle_proof import unpacked, verify
from tasks.images.bundle_reader import Bundle
from tasks.images.bundle_table import text
from tasks.tools.bundle import (
    END,
    MANIFEST,
    Bundled,
    Contents,
    config_part,
    header,
    layer_part,
    manifest,
    padding,
)

STREAMS = 2
PINNED = "dify-rollout/pinned"

Chain = tuple[str, ...]


def is_loaded(bundle: Bundle, docker: Docker) -> bool:
    """Whether the engine has every image of the bundle under its names."""
    images = [(image, _held(docker, image)) for image in bundle.contents.images]
    return all(found is not None and not _unnamed(found, image) for image, found in images)


def load(bundle: Bundle, engines: Mapping[str, Docker]) -> dict[str, list[str]]:
    """Every image of the bundle is in every engine; what had to be sent to each.

    `engines`: name of the node → its engine. Nothing is sent anywhere before all is verified.
    """
    missing = {node: _missing(bundle.contents, docker) for node, docker in engines.items()}
    if any(missing.values()):
        verify(bundle)
    have = {node: _chains(docker) for node, docker in engines.items() if missing[node]}
    for node, chains in have.items():
        layers = [layer for image in missing[node] for layer in _lacking(image, chains)]
        load_space.require(engines[node], node, load_space.needed(bundle.contents, layers))
    jobs = {
        f"{node} {number}": (node, group)
        for node, images in missing.items()
        for number, group in enumerate(_groups(images))
    }

    def send(job: str) -> None:
        node, group = jobs[job]
        _send(bundle, node, engines[node], group, have[node])

    side_by_side(send, list(jobs), STREAMS * len(engines), threading.Event())
    for docker in engines.values():
        _name(bundle.contents, docker)
    return {node: [image.reference for image in images] for node, images in missing.items()}


def _missing(contents: Contents, docker: Docker) -> list[Bundled]:
    return [image for image in contents.images if _held(docker, image) is None]


def _held(docker: Docker, image: Bundled) -> Image | None:
    """The image as the engine has it, under whatever name.

    An engine with containerd's store knows images by another id: there the layers must do.
    """
    if found := docker.image(image.id):
        return found
    named = docker.image(image.reference)
    same = named is not None and list(named.layers) == image.layers
    return named if same and not docker.shares_layers() else None


def _name(contents: Contents, docker: Docker) -> None:
    """Every image has its names."""
    for image in contents.images:
        found = _held(docker, image)
        if found is None:
            raise StepError("images", f"{image.reference}: loaded, but Docker does not have it")
        for name in _unnamed(found, image):
            repository, _, tag = name.rpartition(":")
            docker.tag(found.id, repository, tag)


def _unnamed(found: Image, image: Bundled) -> list[str]:
    """The names the image should have in the engine and has not."""
    wanted = [image.reference]
    if image.digest and image.digest not in found.digests:
        wanted.append(_pinned(image.digest))
    return [name for name in wanted if name not in found.tags]


def pin(docker: Docker, image: Image, digest: str) -> None:
    """Keep, as a name, what its registry calls the image: a load cannot bring that."""
    repository, _, tag = _pinned(digest).rpartition(":")
    docker.tag(image.id, repository, tag)


def accepts(image: Image, digest: str) -> bool:
    """Whether the image is the one a registry calls by this digest."""
    return digest in image.digests or _pinned(digest) in image.tags


def _pinned(digest: str) -> str:
    return f"{PINNED}:{digest.replace(':', '-')}"


def _groups(images: list[Bundled]) -> Iterator[list[Bundled]]:
    """Images that share their lowest layer, and so are sent one after another."""
    groups: dict[str, list[Bundled]] = {}
    for image in images:
        groups.setdefault(image.layers[0] if image.layers else "", []).append(image)
    yield from groups.values()


def _chains(docker: Docker) -> frozenset[Chain]:
    """Every stack of layers the engine has, from the lowest up."""
    if not docker.shares_layers():
        return frozenset()
    return frozenset(
        image.layers[:height]
        for image in docker.images()
        for height in range(1, len(image.layers) + 1)
    )


def _lacking(image: Bundled, have: frozenset[Chain]) -> list[str]:
    """The image's layers that are in none of these stacks."""
    return [
        layer
        for height, layer in enumerate(image.layers, 1)
        if tuple(image.layers[:height]) not in have
    ]


def _send(
    bundle: Bundle, node: str, docker: Docker, images: list[Bundled], have: frozenset[Chain]
) -> None:
    began = time.monotonic()
    try:
        with bundle.path.open("rb") as file:
            docker.load(_archive(bundle, file, node, images, have))
    except (DockerException, RequestException, RolloutError, OSError) as error:
        raise StepError(
            "images", f"{bundle.path.name} could not be loaded on {node}: {error}",
            advice="load it again, it resumes with what is missing",
        ) from None  # fmt: skip
    for image in images:
        tell(Arrived(image.reference, bundle.path.name, time.monotonic() - began))


def _archive(
    bundle: Bundle, file: IO[bytes], node: str, images: list[Bundled], have: frozenset[Chain]
) -> Iterator[bytes]:
    """What `docker load` reads, made while it reads."""
    sent: set[str] = set()
    for image in images:
        yield from _entry(config_part(image.id), [
            text(file, bundle.entries[config_part(image.id)])
        ])  # fmt: skip
        for layer in _lacking(image, have):
            if layer in sent:
                continue
            sent.add(layer)
            part = bundle.contents.part(layer_part(layer))
            yield header(part.name.removesuffix(".zst"), part.raw)
            yield from unpacked(file, bundle.entries[part.name], part.raw, f"to {node}")
            yield padding(part.raw)
    yield from _entry(MANIFEST, [manifest(images, ".tar")])
    yield END


def _entry(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    data = b"".join(chunks)
    yield header(name, len(data)) + data + padding(len(data))
