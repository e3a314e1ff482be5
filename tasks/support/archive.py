"""Texts as one archive that opens anywhere, for its owner's eyes alone."""

import gzip
import io
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

from clients.files import File, write

FOLDER = "dify-rollout-support"


def pack(texts: Mapping[str, str], path: Path) -> None:
    """Write the archive (tar and gzip, mode 0600) in one go.

    Raises:
        Unwritable: it cannot be written.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in sorted(texts.items()):
            content = text.encode(errors="replace")
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size, info.mode, info.mtime = len(content), 0o600, int(time.time())
            archive.addfile(info, io.BytesIO(content))
    content = gzip.compress(stream.getvalue())
    write(File(path, content, mode=0o600, keep_previous=False))
