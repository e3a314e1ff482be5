"""The stack as it is, looked at once for all parts of its step."""

from collections.abc import Mapping
from dataclasses import replace

from clients.command import CommandFailed
from clients.docker_objects import Container, Image
from config.desired import compose as desired
from config.desired import env_file
from config.desired.services import active, images
from config.errors import StepError
from tasks.core import release_file
from tasks.core.engine import usable
from tasks.core.masking import masked
from tasks.core.project_owner import other_folder
from tasks.core.site import Site
from tasks.steps import stack_nginx
from tasks.steps.ahead import Ahead
from tasks.steps.containers import containers
from tasks.steps.docker import compose_prefix
from tasks.steps.kept import over_now
from tasks.steps.overlap import obstacles
from tasks.steps.stack_actual import Actual
from tasks.steps.written import mounted, routed, written
from tasks.tools import compose


class Looks:
    """Each node's stack as it was seen last; after a change all are looked at anew."""

    def __init__(self) -> None:
        self._seen: dict[str, Actual] = {}

    def anew(self, site: Site) -> Actual:
        self._seen[site.node.name] = look(site)
        return self._seen[site.node.name]

    def last(self, site: Site) -> Actual:
        return self._seen.get(site.node.name) or self.anew(site)

    def ahead(self, site: Site) -> Ahead:
        seen = self.last(site)
        found = seen.containers.get(stack_nginx.NGINX, []) if seen.led else []
        return Ahead(
            stack_nginx.among(found), seen.wanted(), tuple(seen.old()), seen.images, seen.over
        )

    def forget(self) -> None:
        self._seen.clear()


def look(site: Site) -> Actual:
    """What there is of the stack on the site's node, and what is in the way of a new one beside."""
    services = active(site.environment, site.release)
    if not usable(site):
        return Actual(services)
    found: dict[str, list[Container]] = {}
    seen = containers(site)
    for container in (one for one in seen if not one.kept):
        found.setdefault(container.service, []).append(container)
    ids, roles = image_ids(images_here(site)), site.release.images
    actual = Actual(
        services,
        found,
        _hashes(site) if found else {},
        {n: ids[roles[s.image]] for n, s in services.items() if roles[s.image] in ids},
        other_folder(site, seen),
        written(site),
        routed(site),
        networks={
            name: frozenset(f"{site.environment.dify.project}_{each}" for each in service.networks)
            for name, service in services.items()
        },
        kept=tuple(one for one in seen if one.kept),
        over=over_now(seen),
    )
    if not (replaced := actual.replaced()):
        return actual
    why = obstacles(site, replaced, routed=actual.stays(stack_nginx.NGINX))
    known = release_file.read(site.environment, site.node)
    return replace(actual, obstacles=why, start_s=known.start_s)


def images_here(site: Site) -> dict[str, Image]:
    """Reference → the image of that name that is here."""
    wanted = images(site.environment, site.release).values()
    found = {reference: site.docker.image(reference) for reference in wanted}
    return {reference: image for reference, image in found.items() if image}


def image_ids(found: Mapping[str, Image]) -> dict[str, str]:
    return {reference: image.id for reference, image in found.items()}


def _hashes(site: Site) -> dict[str, str]:
    """Of the wanted files, written or not: a plan knows what the settings step will change."""
    environment, release = site.environment, site.release
    command = compose.hashes(
        compose_prefix(site.node),
        environment.dify.home,
        document=desired.render_both(environment, release, mounted(site)),
        settings=env_file.settings(environment, release, site.secrets),
    )
    try:
        return compose.parse_hashes(site.node.run(command))
    except CommandFailed as error:
        raise StepError("compose", masked(str(error), site)) from None
