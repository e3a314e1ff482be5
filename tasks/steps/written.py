"""The colours that the stack's files name."""

from clients.files import File
from config.desired.colours import Colour, Colours
from config.desired.compose import render, written_colours
from config.desired.stack import ROUTES, mounted_files, routed_colours
from tasks.core.authorities import authorities
from tasks.core.site import Site

COMPOSE = "compose.yaml"


def written(site: Site) -> dict[str, Colour]:
    """Service → colour that compose.yaml names, of what is not blue."""
    return written_colours(_text(site, COMPOSE))


def routed(site: Site) -> dict[str, Colour]:
    """Service → colour that the stack's nginx leads to, once it has read its file."""
    return routed_colours(_text(site, ROUTES))


def mounted(site: Site) -> dict[str, str]:
    """Name → content of the files that the site's services mount."""
    return mounted_files(site.environment, site.release, authorities(site))


def write(site: Site, colours: Colours) -> None:
    """compose.yaml names these; it is written if it differs."""
    environment, release = site.environment, site.release
    text = render(environment, release, mounted(site), colours)
    path = environment.dify.home / COMPOSE
    if site.node.read(path) != text.encode():
        site.node.write(File(path, text.encode(), mode=0o600))


def _text(site: Site, name: str) -> str:
    content = site.node.read(site.environment.dify.home / name)
    return (content or b"").decode(errors="replace")
