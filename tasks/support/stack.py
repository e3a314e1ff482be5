"""The stack on one node: its files, and the last lines of its containers."""

from collections.abc import Iterator

from config.desired.stack import ROUTES
from tasks.core.site import Site

FILES = (".env", "compose.yaml", ROUTES, "squid.conf", "release.json")
LAST_LINES = 1000


def stack(site: Site) -> dict[str, str]:
    """Name → text, of the node this site is of."""
    return dict([*_files(site), *_logs(site)])


def _files(site: Site) -> Iterator[tuple[str, str]]:
    home = site.environment.dify.home
    for path, entry in site.node.look([home / name for name in FILES]).items():
        if entry is not None and entry.content is not None:
            yield path.name.lstrip("."), entry.content.decode(errors="replace")


def _logs(site: Site) -> Iterator[tuple[str, str]]:
    for container in site.docker.containers(site.environment.dify.project):
        state = f"{container.state} {container.health}, {container.restarts} restarts\n"
        yield f"logs/{container.name}.log", state + site.docker.logs(container.id, LAST_LINES)
