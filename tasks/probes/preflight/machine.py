"""What a machine that runs Dify must bring, read from one survey of it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from config.desired.services import active
from config.environment import Environment
from config.release import Release
from config.rules.finding import Reading, bad, good
from tasks.core.ports import Taken
from tasks.tools.machine import Machine, Place

ARCHITECTURES = ("x86_64", "aarch64")
IMAGES = Path("/var/lib/docker")
_GB = 1000**3


def places(environment: Environment) -> list[Path]:
    """The folders that are surveyed; the last is where images lie."""
    return [environment.dify.home, environment.dify.data, IMAGES]


def readings(
    environment: Environment,
    release: Release,
    there: Machine,
    wanted: dict[str, int],
    sockets: Iterable[Taken],
) -> Iterator[Reading]:
    """`wanted`: setting → port; `sockets`: those of them that are held."""
    held = list(sockets)
    home, data, _ = places(environment)
    yield _machine(there)
    yield from _linux(environment, release, there.kernel)
    yield from _disk(there, environment.nodes.free_gb.disk)
    yield _memory(there, environment.nodes.free_gb.memory, running=any(each.ours for each in held))
    foreign = {each.key: each for each in held if not each.ours}
    for key, port in wanted.items():
        yield _port(key, port, foreign.get(key), environment.name, there)
    yield _writable("dify.home", home, there.places[0], there.uid)
    yield _writable("dify.data", data, there.places[1], there.uid)


def _machine(there: Machine) -> Reading:
    detail = f"{there.architecture}, {there.system}, kernel {there.kernel}, {there.processors} CPUs"
    if there.architecture in ARCHITECTURES:
        return good("machine", detail)
    return bad("machine", detail, advice="Dify has images for x86_64, aarch64")


def _linux(environment: Environment, release: Release, kernel: str) -> Iterator[Reading]:
    """Whether each service that names an oldest kernel would start on this one."""
    for name, service in active(environment, release).items():
        if service.linux is None:
            continue
        detail = f"{name} of Dify {release.version} needs Linux {service.linux} or newer, this is "
        if _numbers(kernel) >= _numbers(service.linux):
            yield good("linux", detail + kernel)
        else:
            advice = f"take a newer kernel, or {service.switch!r} out of dify.services"
            yield bad("linux", detail + kernel, advice=advice)


def _numbers(kernel: str) -> tuple[int, ...]:
    """Its first two: 6.1.0-13-amd64 is (6, 1)."""
    return tuple(int(number) for number in re.findall(r"\d+", kernel)[:2])


def _disk(there: Machine, needed_gb: float) -> list[Reading]:
    """Free space of every filesystem that images, data or the sandbox go to."""
    filesystems = {place.filesystem: place for place in there.places}
    return [_free(place, needed_gb) for place in filesystems.values()]


def _free(place: Place, needed_gb: float) -> Reading:
    free_gb = place.free / _GB
    detail = f"{free_gb:.1f} GB free in {place.at}, needed {needed_gb:g} GB"
    if free_gb >= needed_gb:
        return good("disk", detail)
    advice = "free some, or lower nodes.free_gb"
    return bad("disk", detail, advice=advice)


def _memory(there: Machine, needed_gb: float, *, running: bool) -> Reading:
    """Memory for a start; what already runs has taken its part."""
    free_gb = there.memory / _GB
    detail = f"{free_gb:.1f} GB available, needed {needed_gb:g} GB"
    if running or free_gb >= needed_gb:
        return good("memory", detail + (", already running" if running else ""))
    advice = "free some, or lower nodes.free_gb"
    return bad("memory", detail, advice=advice)


def _port(key: str, port: int, taken: Taken | None, name: str, there: Machine) -> Reading:
    file = f"config/environments/{name}.toml"
    if taken:
        adopted = f"; a Dify is taken over with its data by rollout adopt {name}"
        advice = f"stop it or set another port in {file}" + (adopted if taken.contained else "")
        return bad(key, f"{port} is taken by {taken.holder}", advice=advice)
    if key.startswith("portal.") and port < there.lowest_port and there.uid != 0:
        detail = f"{port} can only be opened by root"
        advice = f"run as root or set {key} to {there.lowest_port} or more in {file}"
        return bad(key, detail, advice=advice)
    return good(key, f"{port} is free or ours")


def _writable(key: str, path: Path, place: Place, uid: int) -> Reading:
    if place.writable:
        return good(key, f"{path} can be written")
    return bad(
        key,
        f"{place.at} cannot be written by this user",
        advice=f"run as root, or give it the directory: chown {uid} {place.at}",
    )
