"""A file that takes its name when it is whole."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replaced(path: Path) -> Generator[IO[bytes]]:
    """A new file, which takes the name `path` at the end of a block without an error.

    What a killed run left is removed, and no link is followed, neither of this name nor of the
    unfinished file's.
    """
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        try:
            yield file
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    unfinished.replace(path)
