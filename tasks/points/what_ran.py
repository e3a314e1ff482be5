"""What ran when a point was taken, as the engine says; the files beside it compared with that."""

from dataclasses import dataclass

from clients.docker_objects import Container
from config.desired import env_file
from config.desired.services import images
from config.load import load_release, release_names
from config.release import Release
from tasks.core import release_file
from tasks.core.engine import usable
from tasks.core.release_file import ReleaseFile
from tasks.core.site import Site
from tasks.steps.docker import compose_prefix
from tasks.tools import compose


@dataclass(frozen=True, slots=True)
class Ran:
    """The release, empty where it is none that has a file; image ids by reference.

    `notes`: what is not as the files say, one sentence each.
    """

    release: str
    images: dict[str, str]
    notes: tuple[str, ...] = ()


def what_ran(site: Site) -> Ran:
    """What runs now; where nothing does, what was deployed last, and a note of that."""
    running = [container for each in site.on_each() for container in _running(each)]
    deployed = release_file.read(site.environment, site.node)
    if not running:
        return _last(deployed)
    release = _release(site, running, deployed)
    ids = {container.image for container in running}
    notes = [*_edited(site, deployed), *_other_settings(site)]
    if release is None:
        notes.append(f"what runs is of no known release: {', '.join(sorted(_shown(running)))}")
        return Ran("", {name: name for name in ids}, tuple(notes))
    if release.version != site.release.version:
        notes.append(f"Dify {release.version} runs, this run is for {site.release.version}")
    return Ran(release.version, _found(site, release, ids), tuple(notes))


def _last(deployed: ReleaseFile) -> Ran:
    if deployed.version:
        return Ran(
            deployed.version,
            deployed.images,
            (f"nothing ran: Dify {deployed.version} is what was deployed last",),
        )
    return Ran("", {}, ("nothing ran, and nothing was deployed here: its release is not known",))


def _running(site: Site) -> list[Container]:
    if not usable(site):
        return []
    found = site.docker.containers(site.environment.dify.project)
    return [c for c in found if c.state == "running" and not (c.one_off or c.kept)]


def _release(site: Site, running: list[Container], deployed: ReleaseFile) -> Release | None:
    """The release whose images these containers are of; the one that was deployed asked first."""
    names = dict.fromkeys((deployed.version, site.release.version, *release_names()))
    known = [load_release(name) for name in names if name in release_names()]
    for release in known:
        if all(_is_of(site, container, release, deployed) for container in running):
            return release
    return None


def _is_of(site: Site, container: Container, release: Release, deployed: ReleaseFile) -> bool:
    """By the image's id: a tag may have been moved since, and then what was deployed tells."""
    service = release.services.get(container.service)
    if service is None:
        return False
    reference = release.images[service.image]
    if release.version == deployed.version and deployed.images.get(reference) == container.image:
        return True
    image = site.docker.image(reference)
    return image is not None and image.id == container.image


def _found(site: Site, release: Release, ids: set[str]) -> dict[str, str]:
    deployed = release_file.read(site.environment, site.node).images
    here = {name: site.docker.image(name) for name in images(site.environment, release).values()}
    found = {name: image.id for name, image in here.items() if image and image.id in ids}
    return found | {name: image for name, image in deployed.items() if image in ids}


def _shown(running: list[Container]) -> set[str]:
    return {f"{container.service} {container.image[:19]}" for container in running}


def _edited(site: Site, deployed: ReleaseFile) -> list[str]:
    """Settings whose value in `.env` is not the one that was deployed."""
    content = site.node.read(site.environment.dify.home / ".env")
    if content is None or not deployed.settings:
        return []
    have = env_file.parse(content.decode(errors="replace"))
    now = release_file.digests(have, site.secret("secret_key"))
    other = sorted(k for k in {*now, *deployed.settings} if now.get(k) != deployed.settings.get(k))
    return [f"edited in .env since it was deployed: {', '.join(other)}"] if other else []


def _other_settings(site: Site) -> list[str]:
    """Services that run with other settings than the stack's files would give them."""
    home = site.environment.dify.home
    found = site.node.look([home / "compose.yaml", home / ".env"])
    texts = [
        (entry.content or b"").decode(errors="replace") if entry else "" for entry in found.values()
    ]
    if not all(texts):
        return []
    asked = compose.hashes(
        compose_prefix(site.node), home, document=texts[0], settings=env_file.parse(texts[1])
    )
    wanted = compose.parse_hashes(site.node.attempt(asked).stdout)
    other = sorted(c.service for c in _running(site) if wanted.get(c.defined) != c.config_hash)
    return [f"runs with other settings than its files have: {', '.join(other)}"] if other else []
