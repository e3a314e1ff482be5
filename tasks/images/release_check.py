"""What a release's images say of themselves: the engine is asked, and a container of each."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from docker.errors import APIError

from clients.docker import NoEnd
from config.desired.compose import environment_of
from config.desired.services import active
from config.errors import StepError
from config.load import load_environment, load_release
from config.release import Service
from config.rules.image_check import Asked, ImageFacts, of_image, of_schema, of_service, programs
from config.secrets import generate
from tasks.core.site import Site
from tasks.images import stand_ins
from tasks.steps import revisions

WITHIN_S = 300


def opened(version: str, environment: str) -> Site:
    """The environment with this release, whatever its own is; secrets are made up for it."""
    desired, release = load_environment(environment, release=version), load_release(version)
    return Site(desired, release, generate(release, {}))


def differences(site: Site) -> list[str]:
    """What the release file says otherwise than its images, in the order of its services.

    Raises:
        StepError: an image is not on the first node, or does not list its revisions.
    """
    return list(dict.fromkeys(_differences(site)))


def _differences(site: Site) -> Iterator[str]:
    release = site.release
    for name, service in active(site.environment, release).items():
        facts = _facts(site, service)
        yield from of_image(release, service.image, facts)
        yield from of_service(release, name, facts)
    yield from of_schema(release, tuple(revisions.ask(site)))


def _facts(site: Site, service: Service) -> ImageFacts:
    reference = site.release.images[service.image]
    image = site.docker.image(reference)
    if image is None:
        raise StepError(
            "release",
            f"{reference} is not on {site.node.name}",
            advice=f"rollout images pull {site.name} --release {site.release.version}",
        )
    config: dict[str, Any] = site.docker.client.api.inspect_image(reference)["Config"]
    return ImageFacts(
        reference,
        labels=image.labels,
        digests=image.digests,
        ports=frozenset(int(port.partition("/")[0]) for port in config.get("ExposedPorts") or ()),
        volumes=frozenset(config.get("Volumes") or ()),
        rehearsal=stand_ins.LABEL in image.labels,
        checks_itself=bool(config.get("Healthcheck")),
        asked=_asked(site, service, reference, _code(config)),
    )


def _code(config: dict[str, Any]) -> list[str]:
    """Where the image's own program is: its working directory, and the files it starts."""
    started = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    folder = config.get("WorkingDir") or "/"
    return [*([folder] if folder != "/" else []), *(word for word in started if word[:1] == "/")]


def _asked(site: Site, service: Service, reference: str, code: Sequence[str]) -> Asked | None:
    names = list(environment_of(service, site.release))
    try:
        status, said = site.docker.once(
            reference,
            [_script(programs(service), list(service.volumes.values()), names, code)],
            name=f"{site.environment.dify.project}-release-check",
            entrypoint=["sh", "-c"],
            environment={},
            user=service.user or "",
            timeout_s=site.within(WITHIN_S),
        )
    except (APIError, NoEnd):
        return None
    return _parsed(said) if status == 0 else None


def _script(
    programs: Sequence[str], folders: Sequence[str], names: Sequence[str], code: Sequence[str]
) -> str:
    """For any shell. What is not known of a tool beforehand: whether its grep takes -a."""
    lines = ['echo "uid $(id -u)"']
    for each in map(shlex.quote, programs):
        lines.append(f"command -v {each} >/dev/null && echo program {each}")
    for each in map(shlex.quote, folders):
        lines.append(f'echo "owner {each} $(stat -c %u {each} 2>/dev/null)"')
    if names and code:
        lines.append('binary=-a; echo | grep -a x >/dev/null 2>&1; [ $? -le 1 ] || binary=""')
        lines.append(
            f"printf '%s\\n' {shlex.join(names)} | grep $binary -rohwF -f - {shlex.join(code)} "
            "2>/dev/null | sort -u | sed 's/^/named /'"
        )
    return "\n".join([*lines, "exit 0"])


def _parsed(said: str) -> Asked:
    lines = [line.split() for line in said.splitlines()]
    found = {kind: [line[1:] for line in lines if line[:1] == [kind]] for kind in _KINDS}
    return Asked(
        uid=int(found["uid"][0][0]),
        programs=frozenset(name for (name,) in found["program"]),
        owners={path: int(uid[0]) if uid else None for path, *uid in found["owner"]},
        named=frozenset(name for (name,) in found["named"]),
    )


_KINDS = ("uid", "program", "owner", "named")
