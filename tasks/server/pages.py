"""Icons and guide of the block types lie where this installation's Prefect server shows them.

A server elsewhere shows none until setup ran there too: they are files, not part of its database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import prefect
from prefect.settings import PREFECT_UI_STATIC_DIRECTORY

from blocks.icons import FOLDER, GUIDE_FILE, ICONS
from clients.files import File, write
from config.load import ROOT
from tasks.core.step import Change, Kind


@dataclass(frozen=True, slots=True)
class Pages:
    """Every file is in `folder`, from which the server serves its pages, if it has done so yet."""

    folder: Path
    name: str = "icons"
    settle_s: float = 0.0

    def observe(self) -> dict[str, bytes | None] | None:
        """Content of each file, None without the server's pages."""
        if not self.folder.is_dir():
            return None
        return {name: _content(self.folder / FOLDER / name) for name in _wanted()}

    def plan(self, actual: dict[str, bytes | None] | None) -> Sequence[Change]:
        if actual is None:
            return []
        return [
            Change(
                Kind.CHANGE,
                name,
                f"show {name}",
                "absent" if actual[name] is None else "other",
                name,
                (name, content),
            )
            for name, content in _wanted().items()
            if actual[name] != content
        ]

    def apply(self, change: Change) -> None:
        name, content = change.action
        write(File(self.folder / FOLDER / name, content))


def pages() -> Pages:
    """Those of the server that was started from this installation."""
    moved = PREFECT_UI_STATIC_DIRECTORY.value()
    return Pages(Path(moved) if moved else Path(prefect.__ui_static_subpath__))


def _wanted() -> dict[str, bytes]:
    icons = {f"{name}.svg": content for name, content in ICONS.items()}
    return {**icons, GUIDE_FILE: (ROOT / "docs" / "secrets.md").read_bytes()}


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
