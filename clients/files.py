"""Files that are never half written: temporary file, fsync, rename, read back."""

import os
import tempfile
from dataclasses import dataclass, field
from errno import EBUSY, ELOOP, ENOENT, EXDEV
from pathlib import Path

from config.errors import RolloutError


class Unwritable(RolloutError):
    """A file that cannot be written; `errno` is the system's reason."""

    def __init__(self, text: str, errno: int | None) -> None:
        super().__init__(text)
        self.errno = errno


@dataclass(frozen=True, slots=True)
class File:
    """A file as it should be. `owner` is a uid (and gid); None leaves it to the writer.

    `foreign`: the file is somebody else's and is only edited. User and group of the one that is
    there stay, a link is followed and its target written, and a file that is a mount (a container
    has such ones) is written in place.
    """

    path: Path
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: int | None = None
    keep_previous: bool = True
    foreign: bool = False


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
    path = Path(os.path.realpath(file.path)) if file.foreign else file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    old = _content(path)
    if file.keep_previous and old is not None and old != file.content:
        _replace(file, _previous(path), old, _owner(file, path))
    _replace(file, path, file.content, _owner(file, path))
    if path.read_bytes() != file.content:
        raise RolloutError(f"{path}: read back other bytes than were written; check the disk")


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


def _owner(file: File, path: Path) -> tuple[int, int] | None:
    """Uid and gid the written file has to have; None: the writer's."""
    if file.foreign and path.exists():
        found = path.stat()
        return found.st_uid, found.st_gid
    if file.owner is None or os.geteuid() != 0:
        return None
    return file.owner, file.owner


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")


def _replace(file: File, path: Path, content: bytes, owner: tuple[int, int] | None) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            if owner is not None:
                _give(stream.fileno(), file.path, owner)
            os.fchmod(stream.fileno(), file.mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _put(Path(name), path, content, in_place=file.foreign)
    finally:
        Path(name).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _give(handle: int, path: Path, owner: tuple[int, int]) -> None:
    """The open file belongs to this user and group, which only root gives to somebody else."""
    try:
        os.fchown(handle, *owner)
    except PermissionError as error:
        uid, gid = owner
        raise Unwritable(
            f"{path} cannot be written: it belongs to user {uid} and group {gid}, and this user "
            "cannot keep it so; run as that user or as root",
            error.errno,
        ) from None


def _put(new: Path, path: Path, content: bytes, *, in_place: bool) -> None:
    try:
        new.replace(path)
    except OSError as error:
        if not in_place or error.errno not in (EBUSY, EXDEV):
            raise
        with path.open("r+b") as stream:
            stream.write(content)
            stream.truncate()
            os.fsync(stream.fileno())
