"""Bundles made by hand, whole or hostile: their checksums always fit what they hold."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import zstandard

from tasks.tools.bundle import (
    END,
    INSTRUCTIONS,
    MANIFEST,
    README,
    SUMS,
    TABLE,
    Bundled,
    config_part,
    header,
    layer_part,
    manifest,
    padding,
    sums,
)

Entries = list[tuple[str, bytes]]


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(text: str = "x") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


LAYER = layer()
DIFF = digest(LAYER)
CONFIG = json.dumps({"rootfs": {"type": "layers", "diff_ids": [DIFF]}}).encode()
IMAGE = {"reference": "test/api:1", "id": digest(CONFIG), "digest": "", "layers": [DIFF]}


def packed(entries: Entries) -> bytes:
    """The tar of these entries."""
    blocks = [header(name, len(data)) + data + padding(len(data)) for name, data in entries]
    return b"".join(blocks) + END


def entries(
    *,
    parts: Mapping[str, bytes] = {},
    part: Mapping[str, Any] = {},
    image: Mapping[str, Any] = {},
    table: Mapping[str, Any] = {},
) -> Entries:
    """Those of a bundle of one image, in order; each argument changes what it is made of.

    `parts`: name → another content, or one more part. `part`: keys of the layer's part.
    """
    changed = {**IMAGE, **image}
    described = manifest([Bundled.model_construct(**changed)])
    content = {
        README: INSTRUCTIONS.encode(),
        layer_part(DIFF): zstandard.compress(LAYER),
        config_part(digest(CONFIG)): CONFIG,
        "extra/some.whl": b"added",
        MANIFEST: described,
        **parts,
    }
    listed = [_part(name, data, part) for name, data in content.items()]
    contents = json.dumps({
        "format": 1, "environment": "prod", "release": "1.15.0", "made_at": "2026-11-27",
        "images": [changed], "parts": listed, **table,
    }).encode()  # fmt: skip
    checks = [(name, hashlib.sha256(data).hexdigest()) for name, data in content.items()]
    checks.append((TABLE, hashlib.sha256(contents).hexdigest()))
    return [*content.items(), (TABLE, contents), (SUMS, sums(checks))]


def _part(name: str, data: bytes, changed: Mapping[str, Any]) -> dict[str, Any]:
    is_layer = name == layer_part(DIFF)
    raw = len(LAYER) if is_layer else len(data)
    part = {"name": name, "size": len(data), "raw": raw, "sha256": hashlib.sha256(data).hexdigest()}
    return {**part, **changed} if is_layer else part
