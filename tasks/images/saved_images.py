"""The images in what `docker save` writes, of either image store of Docker Engine.

The older store names a layer's tar `<id>/layer.tar`. containerd's store writes an OCI layout:
layers as they were pulled, compressed or not, among other blobs, each named by its digest.
"""

import gzip
import hashlib
import json
import tarfile
import zlib
from typing import IO, Any, Protocol, cast

import zstandard
from requests import RequestException
from urllib3.exceptions import HTTPError

from clients.docker import Docker
from config.errors import StepError
from tasks.images.tar import CHUNK
from tasks.tools.bundle import BLOCK, MANIFEST, Bundled

LARGEST_TEXT = 16 << 20
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BROKEN = (tarfile.TarError, zlib.error, EOFError, zstandard.ZstdError, RequestException, HTTPError)


class AddLayer(Protocol):
    def __call__(self, tree: IO[bytes], name: str, expected: int) -> str: ...


def read(docker: Docker, references: list[str], add_layer: AddLayer) -> list[tuple[Bundled, bytes]]:
    """The images, each with its configuration; `add_layer` takes each layer as it comes.

    Raises:
        StepError: the engine breaks off, or an image or a layer is missing.
    """
    layers: set[str] = set()
    try:
        texts = _read(docker, references, add_layer, layers)
    except BROKEN as error:
        raise StepError("images", f"what Docker Engine saves broke off: {error}") from None
    if MANIFEST not in texts:
        raise StepError("images", f"what Docker Engine saves broke off: no {MANIFEST}")
    entries = {
        name: entry for entry in json.loads(texts[MANIFEST]) for name in entry["RepoTags"] or ()
    }
    found: list[tuple[Bundled, bytes]] = []
    for reference in references:
        if reference not in entries:
            raise StepError("images", f"Docker saved no image {reference}")
        config = texts[entries[reference]["Config"]]
        image = _bundled(docker, reference, config)
        if missing := set(image.layers) - layers:
            raise StepError("images", f"{reference}: Docker saved no {', '.join(missing)}")
        found.append((image, config))
    return found


def _read(
    docker: Docker, references: list[str], add_layer: AddLayer, layers: set[str]
) -> dict[str, bytes]:
    """The small files by name; the digest of each layer's tar is in `layers`."""
    texts: dict[str, bytes] = {}
    with (
        docker.saved(references) as stream,
        tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as archive,
    ):
        for member in archive:
            # Links stand for layers that came before under another name.
            if not member.isfile():
                continue
            entry = cast(Any, archive.extractfile(member))
            if tree := _layer(entry):
                name = member.name.removesuffix("/layer.tar").removeprefix("blobs/sha256/")
                layers.add(add_layer(tree, name, member.size))
            elif member.size <= LARGEST_TEXT:
                texts[member.name] = entry.read()
    return texts


def _layer(entry: Any) -> IO[bytes] | None:
    """The layer's tar, unpacked; None if the entry is something else."""
    head = entry.peek(BLOCK)[:BLOCK]
    if head.startswith(GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=entry))
    if head.startswith(ZSTD):
        reader = zstandard.ZstdDecompressor().stream_reader(entry, read_across_frames=True)
        return cast(IO[bytes], reader)
    return cast(IO[bytes], entry) if _is_tar(head) else None


def _is_tar(head: bytes) -> bool:
    """Whether it is the first block of a tar; an empty one begins with its end."""
    if head == bytes(BLOCK):
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _bundled(docker: Docker, reference: str, config: bytes) -> Bundled:
    found = docker.image(reference)
    return Bundled(
        reference=reference,
        id=f"sha256:{hashlib.sha256(config).hexdigest()}",
        digest=found.digests[0] if found and found.digests else "",
        layers=json.loads(config)["rootfs"]["diff_ids"],
    )
