"""Files and folders of the machine that compose.yaml puts into containers."""

from pathlib import Path
from typing import Any


def literal(text: str) -> str:
    """Compose reads `$` as a reference."""
    return text.replace("$", "$$")


def bound(source: Path, target: str, *, read_only: bool) -> dict[str, Any]:
    """A bind mount; the container does not start where there is no source."""
    return {
        "type": "bind",
        "source": literal(str(source)),
        "target": target,
        **({"read_only": True} if read_only else {}),
        "bind": {"create_host_path": False},
    }
