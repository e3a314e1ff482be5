"""Images from a file: a bundle, or what `docker save` wrote."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from docker.errors import DockerException

from clients.docker import Docker
from config.errors import RolloutError, StepError
from tasks.images import bundle_loader as load
from tasks.images import bundle_reader

OPENERS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
ADVICE = "make it with: rollout images bundle ENV FILE, or docker save IMAGE… | gzip > FILE"


def load_archive(docker: Docker, path: Path, wanted: list[str]) -> None:
    """The wanted images are in the engine, from the file.

    Raises:
        StepError: no such file, not an archive of images, or an image is not in it.
    """
    try:
        if bundle_reader.is_bundle(path):
            load.load(bundle_reader.opened(path), {"this node": docker})
        else:
            with _opened(path) as stream:
                docker.load(stream)
    except FileNotFoundError:
        raise StepError("images", f"images.archive: no file {path}", advice=ADVICE) from None
    except StepError:
        raise
    except (RolloutError, DockerException, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise StepError(
            "images", f"images.archive: {path} is broken or not made by docker save: {error}",
            advice=ADVICE,
        ) from None  # fmt: skip
    missing = [reference for reference in wanted if docker.image(reference) is None]
    if missing:
        raise StepError(
            "images", f"images.archive: {path} does not hold {', '.join(missing)}", advice=ADVICE
        )


@contextmanager
def _opened(path: Path) -> Generator[IO[bytes]]:
    with path.open("rb") as raw:
        head = raw.read(6)
    opener: Any = next((o for magic, o in OPENERS.items() if head.startswith(magic)), open)
    with opener(path, "rb") as stream:
        yield cast(IO[bytes], stream)
