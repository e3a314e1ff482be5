"""A release file held against what its images say of themselves. Each difference is a sentence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from config.desired.compose import environment_of
from config.release import Release, Service

VERSION = "org.opencontainers.image.version"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a container of the image answered: who it runs as, which programs it has, whose its
    folders are (None: there is no such folder), and which names of variables its files mention.
    """

    uid: int
    programs: frozenset[str]
    owners: Mapping[str, int | None]
    named: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the engine says of an image; `asked` is None where no shell is in it to ask."""

    reference: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    digests: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset()
    volumes: frozenset[str] = frozenset()
    checks_itself: bool = False
    rehearsal: bool = False
    asked: Asked | None = None


def programs(service: Service) -> list[str]:
    """What the release starts in a container of the service."""
    health = service.health.command if service.health else []
    return [words[0] for words in (service.entrypoint or [], health) if words]


def of_image(release: Release, role: str, facts: ImageFacts) -> Iterator[str]:
    """What differs of an image, whichever service runs it."""
    if facts.rehearsal:
        yield f"images.{role}: {facts.reference} is a rehearsal image, and no image of Dify's"
    tag = facts.reference.rpartition(":")[2]
    said = facts.labels.get(VERSION, "").removeprefix("v")
    if said and said != tag.removeprefix("v"):
        yield f"images.{role}: {facts.reference} says of itself that it is {said}"
    wanted = release.digests.get(role, "")
    if wanted and wanted not in facts.digests:
        yield (
            f"digests.{role}: {facts.reference} is {', '.join(facts.digests) or 'of no registry'}; "
            f"the file pins {wanted}"
        )


def of_service(release: Release, name: str, facts: ImageFacts) -> Iterator[str]:
    """What differs of a service: ports, health check, programs, folders, settings."""
    service, at = release.services[name], f"services.{name}"
    if service.port and facts.ports and service.port not in facts.ports:
        offered = ", ".join(str(port) for port in sorted(facts.ports))
        yield f"{at}.port: {service.port} is not among those the image names: {offered}"
    if facts.checks_itself and service.health is None:
        yield f"{at}.health: the image brings a health check; the file has none"
    mounted = {*service.volumes.values(), *service.tmpfs, *service.files.values()}
    for path in sorted(facts.volumes - mounted):
        yield f"{at}.volumes: the image keeps data in {path}; the file mounts nothing there"
    if facts.asked is None:
        yield f"{at}: no shell in {facts.reference}: user, programs, folders, settings not asked"
        return
    yield from _folders(release, name, facts.asked)
    for program in programs(service):
        if program not in facts.asked.programs:
            yield f"{at}: the image has no program {program}, which the file starts"
    unread = sorted(set(environment_of(service, release)) - facts.asked.named)
    if unread:
        yield f"{at}.environment: no file of the image names {', '.join(unread)}"


def _folders(release: Release, name: str, asked: Asked) -> Iterator[str]:
    """Whether who runs in there can write where the release lets it."""
    service = release.services[name]
    for state, path in service.volumes.items():
        owner, there = release.state[state].owner, asked.owners.get(path)
        if asked.uid != owner:
            yield (
                f"state.{state}.owner: {owner}, and {name} runs as uid {asked.uid}: "
                f"it cannot write {path}"
            )
        if there is None:
            yield f"services.{name}.volumes: the image has no folder {path}"
        elif there != owner:
            yield f"state.{state}.owner: {owner}; in the image {path} belongs to uid {there}"


def of_schema(release: Release, revisions: tuple[str, ...]) -> Iterator[str]:
    """`revisions`: those the image knows, its head first."""
    head = release.migration.head
    if revisions and revisions[0] != head:
        yield f"migration.head: {head or 'empty'}; the image's newest is {revisions[0]}"
