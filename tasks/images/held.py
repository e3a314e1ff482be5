"""Images by name and digest: what a tag meant at the first pull is what it means from then on.

A newer image of that name is taken by writing its digest into `digests` of the release file.
"""

from collections.abc import Mapping

from clients.docker_objects import Image
from config.desired.services import digests
from tasks.core import release_file
from tasks.core.site import Site
from tasks.images.stand_ins import LABEL


def pins(site: Site) -> dict[str, str]:
    """Reference → digest that is wanted: the release's, or what was pulled first.

    Only a registry is held to it: a bundle has its own proof.
    """
    wanted = digests(site.environment, site.release)
    if site.environment.images.source != "registry":
        return wanted
    return release_file.read(site.environment, site.node).held | wanted


def learned(images: Mapping[str, Image], known: Mapping[str, str]) -> dict[str, str]:
    """`known` with the digest of each real image a registry gave, where none is known yet."""
    found = {
        reference: image.digests[0]
        for reference, image in images.items()
        if image.digests and LABEL not in image.labels
    }
    return {**found, **known}
