"""The images of a bundle as rows of a table."""

from typing import Any

from tasks.tools.bundle import Contents, layer_part


def bundled(contents: Contents) -> list[dict[str, Any]]:
    """A row an image; its sizes count each layer in full, the file has it once."""
    parts = {part.name: part for part in contents.parts}
    rows: list[dict[str, Any]] = []
    for image in contents.images:
        layers = [parts[layer_part(layer)] for layer in image.layers]
        rows.append(
            {
                "image": image.reference,
                "id": image.id[7:19],
                "layers": len(layers),
                "MB": round(sum(part.raw for part in layers) / 1e6),
                "MB packed": round(sum(part.size for part in layers) / 1e6),
            }
        )
    return rows
