"""Files of the service: a folder, or an S3 bucket."""

import os
from pathlib import Path

from standin import s3
from standin.settings import text


def prepare() -> None:
    """As Dify at process start: a missing bucket is created."""
    if _in_s3():
        s3.ensure_bucket()


def write(name: str, content: bytes) -> None:
    """Raises PermissionError when the folder is not ours to write."""
    if _in_s3():
        s3.put(name, content)
        return
    path = _root() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except PermissionError as error:
        raise PermissionError(
            f"PermissionDenied (persistent) at write => {name}: {error.strerror}"
        ) from error


def read(name: str) -> bytes:
    return s3.get(name) if _in_s3() else (_root() / name).read_bytes()


def delete(name: str) -> None:
    if _in_s3():
        s3.delete(name)
    else:
        (_root() / name).unlink(missing_ok=True)


def exists(name: str) -> bool:
    return not _in_s3() and (_root() / name).exists()


def _in_s3() -> bool:
    return text("STORAGE_TYPE") == "s3"


def _root() -> Path:
    """Relative to the service's folder."""
    names = ("OPENDAL_FS_ROOT", "STORAGE_LOCAL_PATH")
    if os.environ.get("STORAGE_TYPE") == "local":
        names = names[::-1]
    return Path("/app/api") / next(filter(None, map(text, names)), "storage")
