"""A bundle's table of contents, which every entry of the file must fit."""

from collections.abc import Mapping
from typing import IO

from pydantic import ValidationError

from tasks.images import tar
from tasks.images.tar import Damaged, Entry
from tasks.tools.bundle import (
    MANIFEST,
    README,
    SUMS,
    TABLE,
    TITLE,
    Contents,
    config_part,
    layer_part,
    manifest,
    parse_sums,
)

LARGEST_TEXT = 16 << 20


def read(file: IO[bytes], found: Mapping[str, Entry]) -> Contents:
    """The table of contents of the bundle that has these entries.

    Raises:
        Damaged: says which part is missing, of another size, or not as the table says.
    """
    texts = {name: _needed(file, found, name) for name in (README, MANIFEST, TABLE, SUMS)}
    if not texts[README].startswith(TITLE.encode()):
        raise Damaged("its README is not that of a bundle")
    checks = parse_sums(texts[SUMS])
    if checks is None:
        raise Damaged(f"damaged part: {SUMS}")
    if checks.pop(TABLE, None) != tar.digest(file, found[TABLE]):
        raise Damaged(f"damaged part: {TABLE}")
    try:
        contents = Contents.model_validate_json(texts[TABLE])
    except ValidationError:
        raise Damaged(f"{TABLE} is of another format; use the version that wrote it") from None
    if checks != {part.name: part.sha256 for part in contents.parts}:
        raise Damaged(f"{SUMS} and {TABLE} differ")
    _every_part(contents, found)
    _every_image(contents)
    if texts[MANIFEST] != manifest(contents.images):
        raise Damaged(f"{MANIFEST} and {TABLE} differ")
    return contents


def text(file: IO[bytes], entry: Entry) -> bytes:
    """The whole of a small entry."""
    if entry.size > LARGEST_TEXT:
        raise Damaged(f"{entry.name} is larger than any bundle's ({entry.size} bytes)")
    return b"".join(tar.content(file, entry))


def _needed(file: IO[bytes], found: Mapping[str, Entry], name: str) -> bytes:
    if name not in found:
        raise Damaged(f"{name} is missing")
    return text(file, found[name])


def _every_part(contents: Contents, found: Mapping[str, Entry]) -> None:
    """The parts of the table are the entries of the file."""
    expected = {part.name: part.size for part in contents.parts}
    if len(expected) != len(contents.parts):
        raise Damaged(f"{TABLE} names a part twice")
    for name in (*expected, *found):
        if name not in (TABLE, SUMS) and (
            name not in found or expected.get(name) != found[name].size
        ):
            raise Damaged(f"damaged part: {name}")


def _every_image(contents: Contents) -> None:
    """Each image's configuration and layers are among the parts, its configuration by its id."""
    sums = {part.name: part.sha256 for part in contents.parts}
    for image in contents.images:
        for name in (config_part(image.id), *map(layer_part, image.layers)):
            if name not in sums:
                raise Damaged(f"{image.reference} needs {name}, which is missing")
        if f"sha256:{sums[config_part(image.id)]}" != image.id:
            raise Damaged(f"damaged part: {config_part(image.id)}")
