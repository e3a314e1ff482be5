"""Loading a bundle: everything is verified first, and only what an engine lacks is sent."""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard
from docker.errors import DockerException
from pydantic import ValidationError
from requests import RequestException

from clients.docker import Docker, Image
from config.errors import RolloutError, StepError
from tasks.core.progress import Arrived, Moved, tell
from tasks.core.side_by_side import side_by_side
from tasks.images import tar
from tasks.images.tar import CHUNK, Damaged, Entry
from tasks.tools.bundle import (
    END,
    MANIFEST,
    README,
    SUMS,
    TABLE,
    TITLE,
    Bundled,
    Contents,
    config_part,
    header,
    layer_part,
    manifest,
    padding,
    parse_sums,
)

log = logging.getLogger("rollout")

STREAMS = 2
PINNED = "dify-rollout/pinned"

Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose table of contents is known and fits its entries."""

    path: Path
    contents: Contents
    entries: Mapping[str, Entry]


def is_bundle(path: Path) -> bool:
    """Whether the file at least begins as a bundle does."""
    with path.open("rb") as file:
        return file.read(len(README) + 1) == f"{README}\0".encode()


def opened(path: Path) -> Bundle:
    """The bundle, by its table of contents; the parts are not looked at yet.

    Raises:
        StepError: no such file, no bundle, or damaged; says which part.
    """
    try:
        with path.open("rb") as file:
            return _opened(path, file)
    except FileNotFoundError:
        raise StepError("images", f"no file {path}") from None
    except OSError as error:
        raise StepError("images", f"{path} cannot be read: {error.strerror}") from None
    except Damaged as error:
        raise _refusal(path, str(error)) from None


def verify(bundle: Bundle) -> None:
    """Every byte of the file is what was written.

    Raises:
        StepError: names the part that is not.
    """
    expected = {part.name: part.sha256 for part in bundle.contents.parts}

    def check(name: str) -> None:
        entry = bundle.entries[name]
        with bundle.path.open("rb") as file:
            if tar.digest(file, entry) != expected[name]:
                raise Damaged(f"damaged part: {name}")
        tell(Moved("verified", name, entry.size, entry.size))

    try:
        side_by_side(check, list(expected), os.cpu_count() or 1, threading.Event())
    except Damaged as error:
        raise _refusal(bundle.path, str(error)) from None


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
    jobs = {
        f"{node} {number}": (node, group)
        for node, images in missing.items()
        for number, group in enumerate(_groups(images))
    }
    have = {node: _chains(docker) for node, docker in engines.items() if missing[node]}

    def send(job: str) -> None:
        node, group = jobs[job]
        _send(bundle, node, engines[node], group, have[node])

    side_by_side(send, list(jobs), STREAMS * len(engines), threading.Event())
    for docker in engines.values():
        _name(bundle.contents, docker)
    return {node: [image.reference for image in images] for node, images in missing.items()}


def extract(bundle: Bundle, folder: Path) -> list[Path]:
    """The extra files, in this folder."""
    verify(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with bundle.path.open("rb") as file:
        for name, entry in bundle.entries.items():
            if name.startswith("extra/"):
                path = folder / Path(name).name
                with path.open("wb") as target:
                    target.writelines(tar.content(file, entry))
                written.append(path)
    return written


def _opened(path: Path, file: IO[bytes]) -> Bundle:
    found: dict[str, Entry] = {}
    for entry in tar.entries(file):
        found[entry.name] = entry
        if entry.name == README and not _text(file, entry).startswith(TITLE.encode()):
            raise Damaged("its README is not that of a bundle")
        if README not in found:
            raise Damaged("it does not begin as a bundle does")
    for name in (TABLE, SUMS):
        if name not in found:
            raise Damaged(f"{name} is missing")
    checks = parse_sums(_text(file, found[SUMS]))
    if checks is None:
        raise Damaged(f"damaged part: {SUMS}")
    if checks.get(TABLE) != tar.digest(file, found[TABLE]):
        raise Damaged(f"damaged part: {TABLE}")
    try:
        contents = Contents.model_validate_json(_text(file, found[TABLE]))
    except ValidationError:
        raise Damaged(f"{TABLE} is of another format; use the version that wrote it") from None
    expected = {part.name: part.size for part in contents.parts}
    for name in (*expected, *found):
        if name not in (TABLE, SUMS) and (
            name not in found or expected.get(name) != found[name].size
        ):
            raise Damaged(f"damaged part: {name}")
    return Bundle(path, contents, found)


def _text(file: IO[bytes], entry: Entry) -> bytes:
    return b"".join(tar.content(file, entry))


def _refusal(path: Path, why: str) -> StepError:
    return StepError(
        "images",
        f"{path} is damaged or no bundle: {why}",
        tried="nothing was loaded",
        advice="copy it again, or make it with: rollout images bundle ENV FILE",
    )


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
            _text(file, bundle.entries[config_part(image.id)])
        ])  # fmt: skip
        for height, layer in enumerate(image.layers, 1):
            part = bundle.contents.part(layer_part(layer))
            if layer in sent or tuple(image.layers[:height]) in have:
                continue
            sent.add(layer)
            yield header(part.name.removesuffix(".zst"), part.raw)
            yield from _unpacked(file, bundle.entries[part.name], node, part.raw)
            yield padding(part.raw)
    yield from _entry(MANIFEST, [manifest(images, ".tar")])
    yield END


def _entry(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    data = b"".join(chunks)
    yield header(name, len(data)) + data + padding(len(data))


def _unpacked(file: IO[bytes], entry: Entry, node: str, size: int) -> Iterator[bytes]:
    """Piece by piece: what compresses to nothing may unpack to gigabytes."""
    file.seek(entry.offset)
    reader, done = zstandard.ZstdDecompressor().stream_reader(file, read_size=CHUNK), 0
    # Not until the reader's end: it would go on with what follows in the file.
    while done < size and (data := reader.read(min(CHUNK, size - done))):
        done += len(data)
        tell(Moved(f"to {node}", entry.name, done, size))
        yield data
