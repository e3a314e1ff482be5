"""Files that are never half written: temporary file, fsync, rename, read back."""

import os
import tempfile
from dataclasses import dataclass, field
from errno import ELOOP, ENOENT
from pathlib import Path

from config.errors import RolloutError


class Unwritable(RolloutError):
    """A file that cannot be written; `errno` is the system's reason."""

    def __init__(self, text: str, errno: int | None) -> None:
        super().__init__(text)
        self.errno = errno


@dataclass(frozen=True, slots=True)
class File:
    """A file as it should be. `owner` is a uid (and gid); None leaves it to the writer."""

    path: Path
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: int | None = None
    keep_previous: bool = True


def write(file: File) -> None:
    """Put the file in place atomically; the one before stays beside it as `.previous`.

    Raises:
        Unwritable: it cannot be written.
        RolloutError: it is not what was written.
    """
    try:
        _write(file)
    except OSError as error:
        what = "it is a folder" if file.path.is_dir() else error.strerror
        raise Unwritable(
            f"{file.path} cannot be written: {what}; expected a place where this user may write",
            error.errno,
        ) from None


def _write(file: File) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    old = _content(file.path)
    if file.keep_previous and old is not None and old != file.content:
        _replace(_previous(file.path), old, file.mode, file.owner)
    _replace(file.path, file.content, file.mode, file.owner)
    if file.path.read_bytes() != file.content:
        raise RolloutError(f"{file.path}: read back other bytes than were written; check the disk")


def _content(path: Path) -> bytes | None:
    """What the file holds; None if there is none, or a link, which is replaced unread."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (ENOENT, ELOOP):
            return None
        raise
    with os.fdopen(handle, "rb") as stream:
        return stream.read()


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")


def _replace(path: Path, content: bytes, mode: int, owner: int | None) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(stream.fileno(), owner, owner)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
