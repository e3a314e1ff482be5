"""The colours that the stack's files name."""

from config.desired.colours import Colour
from config.desired.compose import written_colours
from config.desired.stack import ROUTES, routed_colours
from tasks.core.site import Site


def written(site: Site) -> dict[str, Colour]:
    """Service → colour that compose.yaml names, of what is not blue."""
    return written_colours(_text(site, "compose.yaml"))


def routed(site: Site) -> dict[str, Colour]:
    """Service → colour that the stack's nginx leads to, once it has read its file."""
    return routed_colours(_text(site, ROUTES))


def _text(site: Site, name: str) -> str:
    content = site.node.read(site.environment.dify.home / name)
    return (content or b"").decode(errors="replace")
