"""What the UI shows of block types: icons and a guide, served by the Prefect server itself.

Prefect takes no `data:` address for them; one on the internet shows nothing where there is none.
"""

from typing import Any

from prefect.settings import PREFECT_UI_URL
from pydantic import HttpUrl

FOLDER = "dify-rollout"
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" fill="none" stroke="white" '
    'stroke-width="3" stroke-linecap="round" stroke-linejoin="round">'
    '<rect x="2" y="2" width="44" height="44" rx="10" fill="{color}" '
    'stroke="none"/>{shape}</svg>\n'
)
# Name → colour and shape.
_DRAWN = {
    "secrets": (
        "#7c3aed",
        '<rect x="12" y="22" width="24" height="16" rx="3"/><path d="M17 22v-5a7 7 0 0 1 14 0v5"/>'
        '<path d="M24 28v4"/>',
    ),
    "login": (
        "#0f766e",
        '<circle cx="24" cy="17" r="6"/><path d="M12 38c1-8 6-11 12-11s11 3 12 11z"/>',
    ),
    "ssh-key": (
        "#334155",
        '<circle cx="16" cy="24" r="6"/><path d="M22 24h16M32 24v6M37 24v4"/>',
    ),
    "postgres": (
        "#1d4ed8",
        '<ellipse cx="24" cy="13" rx="12" ry="4"/><path d="M12 13v22c0 2 5 4 12 4s12-2 12-4V13"/>'
        '<path d="M12 24c0 2 5 4 12 4s12-2 12-4"/>',
    ),
    "redis": (
        "#b91c1c",
        '<path d="M24 10l14 7-14 7-14-7z"/><path d="M10 24l14 7 14-7M10 31l14 7 14-7"/>',
    ),
    "object-store": (
        "#b45309",
        '<path d="M11 14h26l-4 24H15z"/><ellipse cx="24" cy="14" rx="13" ry="4"/>',
    ),
    "repository": (
        "#15803d",
        '<rect x="10" y="12" width="28" height="7" rx="2"/><path d="M13 19v17h22V19M20 26h8"/>',
    ),
    "record": (
        "#be185d",
        '<path d="M9 25h8l4-11 7 20 4-9h7"/>',
    ),
}
ICONS = {
    name: _SVG.format(color=color, shape=shape).encode() for name, (color, shape) in _DRAWN.items()
}


class Served:
    """The address of a file on the server that is configured when it is asked for."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __get__(self, block: object, kind: object) -> Any:
        server = PREFECT_UI_URL.value()
        return HttpUrl(f"{server.rstrip('/')}/{FOLDER}/{self.file}") if server else None


GUIDE_FILE = "secrets.txt"
GUIDE: Any = Served(GUIDE_FILE)


def icon(name: str) -> Any:
    return Served(f"{name}.svg")
