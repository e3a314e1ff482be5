"""Whether a bundle is what was written, and unpacks to what its images are made of."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, cast

import zstandard
from pydantic import BaseModel, ValidationError

from config.errors import StepError
from tasks.core.progress import Moved, tell
from tasks.core.side_by_side import side_by_side
from tasks.images import tar
from tasks.images.bundle_reader import Bundle, refusal
from tasks.images.bundle_table import text
from tasks.images.tar import CHUNK, Damaged, Entry, Section
from tasks.tools.bundle import Bundled, Part, config_part, is_layer, layer_part


class _RootFs(BaseModel):
    diff_ids: list[str]


class _Config(BaseModel):
    """What an image's configuration says of its layers."""

    rootfs: _RootFs


def verify(bundle: Bundle) -> None:
    """Every byte of the file is what was written.

    Raises:
        StepError: names the part that is not.
    """

    def check(file: IO[bytes], part: Part) -> None:
        entry = bundle.entries[part.name]
        if tar.digest(file, entry) != part.sha256:
            raise Damaged(f"damaged part: {part.name}")
        tell(Moved("verified", part.name, entry.size, entry.size))

    _each_part(bundle, check)


def prove(bundle: Bundle) -> None:
    """Every byte is what was written, and the layers unpack to what the images are made of.

    Raises:
        StepError: names the part or image that does not.
    """

    def check(file: IO[bytes], part: Part) -> None:
        if is_layer(part.name):
            deque(unpacked(file, bundle.entries[part.name], part.raw, "unpacked"), maxlen=0)

    verify(bundle)
    for image in bundle.contents.images:
        _made_of_its_layers(bundle, image)
    _each_part(bundle, check)


def unpacked(file: IO[bytes], entry: Entry, size: int, what: str) -> Iterator[bytes]:
    """A layer's tar, piece by piece: what compresses to nothing may unpack to gigabytes.

    Raises:
        Damaged: it does not unpack, or not to this size, or to another layer. Not every engine
            finds that: with containerd's store it takes any.
    """
    packed = cast(IO[bytes], Section(file, entry))
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_size=CHUNK)
    done, total = 0, hashlib.sha256()
    try:
        while data := reader.read(min(CHUNK, size - done + 1)):
            done += len(data)
            if done > size:
                break
            total.update(data)
            tell(Moved(what, entry.name, done, size))
            yield data
    except zstandard.ZstdError:
        raise Damaged(f"damaged part: {entry.name} does not unpack") from None
    if done != size:
        raise Damaged(f"damaged part: {entry.name} does not unpack to {size} bytes")
    if layer_part(total.hexdigest()) != entry.name:
        raise Damaged(f"damaged part: {entry.name} unpacks to another layer")


def _each_part(bundle: Bundle, check: Callable[[IO[bytes], Part], None]) -> None:
    """The check of every part, as many at once as there are processors."""
    parts = {part.name: part for part in bundle.contents.parts}

    def one(name: str) -> None:
        with bundle.path.open("rb") as file:
            check(file, parts[name])

    try:
        side_by_side(one, list(parts), os.cpu_count() or 1, threading.Event())
    except Damaged as error:
        raise refusal(bundle.path, str(error)) from None
    except OSError as error:
        raise StepError("images", f"{bundle.path} cannot be read: {error.strerror}") from None


def _made_of_its_layers(bundle: Bundle, image: Bundled) -> None:
    """The image's configuration names the layers that the table says."""
    name = config_part(image.id)
    try:
        with bundle.path.open("rb") as file:
            config = _Config.model_validate_json(text(file, bundle.entries[name]))
        if config.rootfs.diff_ids != image.layers:
            raise Damaged(f"{image.reference} is made of other layers than {name} says")
    except ValidationError:
        raise refusal(bundle.path, f"damaged part: {name}") from None
    except Damaged as error:
        raise refusal(bundle.path, str(error)) from None
