"""What a bundle of images is made of: one tar that `tar`, `zstd` and `docker load` can open.

README            how to open it without dify-rollout
images/ID.json    an image's configuration, named by the image's id
layers/ID.tar.zst a layer, compressed alone, named by the digest of its tar
extra/NAME        files that were added
manifest.json     for `docker load`
bundle.json       the table of contents
SHA256SUMS        for `sha256sum -c`; its first line vouches for the others
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

BLOCK = 512
END = bytes(2 * BLOCK)
LONGEST = 100
README, MANIFEST, TABLE, SUMS = "README", "manifest.json", "bundle.json", "SHA256SUMS"
TITLE = "Images bundled by dify-rollout, format 1."
INSTRUCTIONS = f"""{TITLE}

dify-rollout:           rollout images load FILE
Docker Engine from 23:  docker load --input FILE
any Docker Engine:      tar xf FILE && sha256sum --check SHA256SUMS
                        zstd --decompress --rm layers/*.zst
                        sed -i 's/[.]tar[.]zst/.tar/g' manifest.json
                        tar c manifest.json images layers | docker load
"""

_SUM = re.compile(r"([0-9a-f]{64})  (\S.*)")
_PART = re.compile(r"README|(manifest|bundle)\.json|SHA256SUMS"
                   r"|images/[0-9a-f]{64}\.json|layers/[0-9a-f]{64}\.tar\.zst")  # fmt: skip
_EXTRA = "extra/"

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Word = Annotated[str, Field(pattern=r"^[\w./:@+-]+$")]
Size = Annotated[int, Field(ge=0, le=1 << 50)]


def is_extra(part: str) -> bool:
    return part.startswith(_EXTRA)


def is_layer(part: str) -> bool:
    return part.startswith("layers/")


def is_plain(name: str) -> bool:
    """Whether the name is that of a file in a folder, and one line of text."""
    plain = name.isprintable() and name == name.strip()
    return plain and "/" not in name and name not in ("", ".", "..")


def is_part(name: str) -> bool:
    """Whether a bundle has entries of this name; an added file is one plain name in its folder."""
    return is_plain(name.removeprefix(_EXTRA)) if is_extra(name) else bool(_PART.fullmatch(name))


def _known(name: str) -> str:
    if not is_part(name):
        raise ValueError("no part of a bundle")
    return name


class Table(BaseModel):
    """Frozen, and strict about what a file of another format would have."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Table):
    """An entry of the tar; `raw` is its size unpacked."""

    name: Annotated[str, AfterValidator(_known)]
    size: Size
    raw: Size
    sha256: str


class Bundled(Table):
    """An image: `id` is the digest of its configuration, `digest` what its registry calls it."""

    reference: Word
    id: Digest
    digest: Digest | Literal[""]
    layers: list[Digest]


class Contents(Table):
    """The table of contents."""

    format: Literal[1]
    environment: Word
    release: Word
    made_at: Word
    images: list[Bundled]
    parts: list[Part]

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)


def config_part(identity: str) -> str:
    return f"images/{identity.removeprefix('sha256:')}.json"


def layer_part(diff: str) -> str:
    return f"layers/{diff.removeprefix('sha256:')}.tar.zst"


def extra_part(name: str) -> str:
    return f"{_EXTRA}{name}"


def manifest(images: Iterable[Bundled], suffix: str = ".tar.zst") -> bytes:
    """Docker's own table of an archive; layers are named with `suffix`."""
    return json.dumps(
        [
            {
                "Config": config_part(image.id),
                "RepoTags": [image.reference],
                "Layers": [
                    layer_part(layer).removesuffix(".tar.zst") + suffix for layer in image.layers
                ],
            }
            for image in images
        ]
    ).encode()


def sums(parts: Iterable[tuple[str, str]]) -> bytes:
    """The checksum file of these (name, sha256)."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in parts)
    return f"# {hashlib.sha256(lines.encode()).hexdigest()}\n{lines}".encode()


def parse_sums(content: bytes) -> dict[str, str] | None:
    """Name → sha256; None if the file is not as `sums` wrote it."""
    found = _SUM.findall(content.decode(errors="replace"))
    parsed = {name: digest for digest, name in found}
    return parsed if content == sums(parsed.items()) else None


def header(name: str, size: int) -> bytes:
    """The block before an entry; one block, as long as the name is no longer than LONGEST."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What fills an entry's last block."""
    return bytes(-size % BLOCK)
