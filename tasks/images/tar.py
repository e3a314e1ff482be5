"""Reading a tar that we wrote: anything else in it is damage, and is named."""

import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from config.errors import RolloutError
from tasks.tools.bundle import BLOCK, END, header, is_part, padding

CHUNK = 1 << 20
MOST_ENTRIES = 10_000


class Damaged(RolloutError):
    """The tar is not as it was written; says which part."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the tar: where its content begins, and its bytes."""

    name: str
    offset: int
    size: int


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """Every entry, from the headers alone; no name comes twice.

    Raises:
        Damaged: a header is not as we write them, or the file ends early or late.
    """
    whole = os.fstat(file.fileno()).st_size
    at, before = 0, ""
    names: set[str] = set()
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        if block == END[:BLOCK]:
            break
        entry = _entry(block, at, before)
        at = entry.offset + entry.size + len(padding(entry.size))
        if at > whole:
            raise Damaged(f"truncated inside {entry.name}")
        if entry.name in names or len(names) == MOST_ENTRIES:
            raise Damaged(f"{entry.name} is there twice, or one of too many")
        yield entry
        names.add(entry.name)
        before = entry.name
    file.seek(at)
    if file.read(len(END) + 1) != END:
        raise Damaged(f"damaged at its end, after {before}")


def content(file: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """The entry's bytes; what fills its last block must be nothing."""
    file.seek(entry.offset)
    left = entry.size
    while left:
        data = file.read(min(CHUNK, left))
        if not data:
            raise Damaged(f"truncated inside {entry.name}")
        left -= len(data)
        yield data
    fill = padding(entry.size)
    if file.read(len(fill)) != fill:
        raise Damaged(f"damaged part: {entry.name} (its last block)")


class Section:
    """The entry's bytes as a file of their own."""

    def __init__(self, file: IO[bytes], entry: Entry) -> None:
        self._file = file
        self._left = entry.size
        file.seek(entry.offset)

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def digest(file: IO[bytes], entry: Entry) -> str:
    """The sha256 of the entry's bytes."""
    total = hashlib.sha256()
    for data in content(file, entry):
        total.update(data)
    return total.hexdigest()


def _entry(block: bytes, at: int, before: str) -> Entry:
    where = f"after {before}" if before else "at its beginning"
    if len(block) < BLOCK:
        raise Damaged(f"truncated {where}")
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        if header(info.name, info.size) != block or info.size < 0 or not is_part(info.name):
            raise Damaged(f"damaged header {where}, of {info.name!r}")
    except (tarfile.HeaderError, ValueError):
        raise Damaged(f"damaged header {where}") from None
    return Entry(info.name, at + BLOCK, info.size)
