"""Writing a bundle: every image of a release in one file, each layer once."""

import hashlib
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import zstandard

from clients.docker import Docker
from config.errors import StepError
from tasks.core.progress import Moved, tell
from tasks.images import saved_images
from tasks.images.replaced import replaced
from tasks.images.tar import CHUNK
from tasks.tools.bundle import (
    BLOCK,
    END,
    INSTRUCTIONS,
    LONGEST,
    MANIFEST,
    README,
    SUMS,
    TABLE,
    Bundled,
    Contents,
    Part,
    config_part,
    extra_part,
    header,
    is_plain,
    layer_part,
    manifest,
    padding,
    sums,
)

# All processors; jobs of zstd's own choice would cost 8 MB several times over each of them.
# Each thread holds a job of input and its output: more of them would cost memory by the core.
THREADS = min(4, os.cpu_count() or 1)
PARAMETERS = zstandard.ZstdCompressionParameters.from_level(  # pyright: ignore[reportUnknownMemberType]
    3, threads=THREADS, job_size=1 << 20, write_checksum=1
)


class Writer:
    """The bundle's tar, entry by entry; an entry's header is written when its size is known."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._compressor = zstandard.ZstdCompressor(compression_params=PARAMETERS)
        self.parts: dict[str, Part] = {}

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        start, total, size = self._begin(), hashlib.sha256(), 0
        for data in chunks:
            size += self._file.write(data)
            total.update(data)
        self._finish(start, Part(name=name, size=size, raw=size, sha256=total.hexdigest()))

    def add_layer(self, tree: IO[bytes], name: str, expected: int) -> str:
        """A layer from its tar, kept once however often it comes; the tar's digest.

        `name`, `expected`: what to call it meanwhile, and about how many bytes it has.
        """
        start, total, unpacked = self._begin(), hashlib.sha256(), hashlib.sha256()
        frame, size, raw = self._compressor.compressobj(), 0, 0
        while data := tree.read(CHUNK):
            raw += len(data)
            unpacked.update(data)
            packed = frame.compress(data)
            total.update(packed)
            size += self._file.write(packed)
            tell(Moved("bundle", name, raw, max(raw, expected)))
        packed = frame.flush()
        total.update(packed)
        size += self._file.write(packed)
        diff = f"sha256:{unpacked.hexdigest()}"
        part = Part(name=layer_part(diff), size=size, raw=raw, sha256=total.hexdigest())
        if part.name in self.parts:
            self._file.seek(start)
            self._file.truncate()
        else:
            self._finish(start, part)
        tell(Moved("bundle", name, raw, raw))
        return diff

    def end(self) -> None:
        self._file.write(END)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _begin(self) -> int:
        start = self._file.tell()
        self._file.seek(start + BLOCK)
        return start

    def _finish(self, start: int, part: Part) -> None:
        self._file.write(padding(part.size))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(header(part.name, part.size))
        self._file.seek(end)
        self.parts[part.name] = part


def write(
    docker: Docker,
    references: list[str],
    path: Path,
    *,
    environment: str,
    release: str,
    extra: Iterable[Path] = (),
) -> Contents:
    """The bundle of these images, which the engine has, and of the `extra` files.

    Raises:
        StepError: an image is missing, an extra file cannot be read, or the disk is full.
    """
    added = files(extra)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as file:
            writer = Writer(file)
            writer.add(README, [INSTRUCTIONS.encode()])
            images = _add_images(docker, references, writer)
            for source in added:
                with source.open("rb") as stream:
                    writer.add(extra_part(source.name), iter(lambda: stream.read(CHUNK), b""))
            writer.add(MANIFEST, [manifest(images)])
            contents = Contents(
                format=1,
                environment=environment,
                release=release,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                images=images,
                parts=list(writer.parts.values()),
            )
            writer.add(TABLE, [contents.model_dump_json(indent=1).encode()])
            checks = [(part.name, part.sha256) for part in writer.parts.values()]
            writer.add(SUMS, [sums(checks)])
            writer.end()
    except OSError as error:
        raise StepError(
            "images", f"the bundle {path} cannot be written: {error.strerror or error}"
        ) from None
    return contents


def files(extra: Iterable[Path]) -> list[Path]:
    """The files named, and those directly in the folders named."""
    found: dict[str, Path] = {}
    for path in extra:
        if not path.exists():
            raise StepError("images", f"--extra: no file or folder {path}")
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_symlink() and file != path:
                raise StepError("images", f"--extra: {file} is a link; name the file itself")
            if not file.is_file():
                continue
            if not is_plain(file.name):
                raise StepError("images", f"--extra: {str(file)!r} has a name no bundle can take")
            if len(extra_part(file.name).encode()) > LONGEST:
                raise StepError("images", f"--extra: the name of {file} is too long for a bundle")
            if file.name in found:
                raise StepError("images", f"--extra: {file} and {found[file.name]} share a name")
            found[file.name] = file
    return list(found.values())


def _add_images(docker: Docker, references: list[str], writer: Writer) -> list[Bundled]:
    """Each layer as it comes out of the engine; then what the images are made of."""
    images = saved_images.read(docker, references, writer.add_layer)
    for image, config in images:
        if config_part(image.id) not in writer.parts:
            writer.add(config_part(image.id), [config])
    return [image for image, _ in images]
