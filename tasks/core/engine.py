"""Whether a node's Docker Engine can be asked: there, absent, or not known."""

from clients.docker import DockerUnusable
from tasks.core.site import Site


def usable(site: Site) -> bool:
    """True where it answers, False where none is installed.

    Raises:
        DockerUnusable: one is installed and does not answer: what it has is not known.
    """
    trouble = site.docker.trouble()
    if trouble is None:
        return True
    if site.node.which("dockerd") is None:
        return False
    raise DockerUnusable(trouble)
