"""What stands in the way of a rollout, found before anything is changed. Only reads."""

import socket
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from config.environment import Environment
from config.errors import StepError
from tasks.core.finding import Finding
from tasks.core.ownership import belongs
from tasks.core.ports import Taken, ports, taken
from tasks.core.site import Site
from tasks.images.disk_space import room
from tasks.steps.firewall import openness
from tasks.tools import machine
from tasks.tools.machine import Machine, Place

ARCHITECTURES = ("x86_64", "aarch64")
RESOLVE_WITHIN_S = 0.15
IMAGES = Path("/var/lib/docker")
_GB = 1000**3


def preflight(site: Site) -> list[Finding]:
    """Every finding at once, the good ones and mere facts included."""
    environment = site.environment
    nodes = site.on_each()
    found: list[Finding] = []
    for each in nodes:
        where = f"{each.node.name}: " if len(nodes) > 1 else ""
        found += [replace(finding, name=where + finding.name) for finding in _on_node(each)]
    return [*found, *site.platform.preflight(site), _domain(environment)]


def _on_node(site: Site) -> list[Finding]:
    """What a node that runs Dify must bring."""
    environment = site.environment
    home, data = environment.dify.home, environment.dify.data
    there = machine.parse(site.node.run(machine.survey([home, data, IMAGES])))
    sockets = taken(site)
    ours = any(socket.ours for socket in sockets)
    return [
        _machine(there),
        *_disk(there, environment.preflight.disk_free_gb),
        _memory(there, environment.preflight.memory_gb, running=ours),
        *_ports(site, there, sockets),
        _writable("dify.home", home, there.places[0], there.uid),
        _writable("dify.data", data, there.places[1], there.uid),
        _docker(site),
        *room(site, there.places[2].free, there.architecture),
        *belongs(site),
        *openness(site),
        *site.platform.preflight_on(site),
    ]


def require(findings: Iterable[Finding]) -> None:
    """Nothing stands in the way.

    Raises:
        StepError: everything that does, one line each.
    """
    failed = [str(finding) for finding in findings if not finding.ok]
    if not failed:
        return
    count = "" if len(failed) == 1 else f"{len(failed)} things stand in the way\n  "
    raise StepError("preflight", count + "\n  ".join(failed))


def _machine(there: Machine) -> Finding:
    detail = f"{there.architecture}, {there.system}, kernel {there.kernel}, {there.processors} CPUs"
    if there.architecture in ARCHITECTURES:
        return Finding("machine", ok=True, detail=detail)
    return Finding("machine", ok=False, detail=detail, advice="Dify has images for x86_64, aarch64")


def _disk(there: Machine, needed_gb: float) -> list[Finding]:
    """Free space of every filesystem that images, data or the sandbox go to."""
    filesystems = {place.filesystem: place for place in there.places}
    return [_free(place, needed_gb) for place in filesystems.values()]


def _free(place: Place, needed_gb: float) -> Finding:
    free_gb = place.free / _GB
    detail = f"{free_gb:.1f} GB free in {place.at}, needed {needed_gb:g} GB"
    if free_gb >= needed_gb:
        return Finding("disk", ok=True, detail=detail)
    advice = "free some, or lower preflight.disk_free_gb"
    return Finding("disk", ok=False, detail=detail, advice=advice)


def _memory(there: Machine, needed_gb: float, *, running: bool) -> Finding:
    """Memory for a start; what already runs has taken its part."""
    free_gb = there.memory / _GB
    detail = f"{free_gb:.1f} GB available, needed {needed_gb:g} GB"
    if running or free_gb >= needed_gb:
        return Finding("memory", ok=True, detail=detail + (", already running" if running else ""))
    advice = "free some, or lower preflight.memory_gb"
    return Finding("memory", ok=False, detail=detail, advice=advice)


def _ports(site: Site, there: Machine, sockets: Iterable[Taken]) -> list[Finding]:
    foreign = {socket.key: socket.holder for socket in sockets if not socket.ours}
    wanted = ports(site).items()
    return [_port(key, port, foreign.get(key), _file(site), there) for key, port in wanted]


def _port(key: str, port: int, holder: str | None, file: str, there: Machine) -> Finding:
    if holder:
        advice = f"stop it or set another port in {file}"
        return Finding(key, ok=False, detail=f"{port} is taken by {holder}", advice=advice)
    if key.startswith("portal.") and port < there.lowest_port and there.uid != 0:
        detail = f"{port} can only be opened by root"
        advice = f"run as root or set {key} to {there.lowest_port} or more in {file}"
        return Finding(key, ok=False, detail=detail, advice=advice)
    return Finding(key, ok=True, detail=f"{port} is free or ours")


def _writable(key: str, path: Path, place: Place, uid: int) -> Finding:
    if place.writable:
        return Finding(key, ok=True, detail=f"{path} can be written")
    return Finding(
        key,
        ok=False,
        detail=f"{place.at} cannot be written by this user",
        advice=f"run as root, or give it the directory: chown {uid} {place.at}",
    )


def _docker(site: Site) -> Finding:
    reason = site.docker.trouble()
    if reason is None:
        return Finding("docker", ok=True, detail="answers")
    if site.node.is_root() and site.node.which("apt-get"):
        return Finding("docker", ok=True, detail="will be installed or started")
    return Finding(
        "docker",
        ok=False,
        detail=reason,
        advice="start it and join its group (usermod -aG docker), or run as root",
    )


def _domain(environment: Environment) -> Finding:
    """Where the name leads; never an obstacle, DNS may come later."""
    domain = environment.portal.domain
    found: list[str] = []
    asking = threading.Thread(target=_resolve, args=(domain, found), daemon=True)
    asking.start()
    asking.join(RESOLVE_WITHIN_S)
    where = f"resolves to {found[0]}" if found else "does not resolve on this machine"
    return Finding("portal.domain", ok=True, detail=f"{domain} {where}")


def _resolve(domain: str, found: list[str]) -> None:
    try:
        found.append(socket.gethostbyname(domain))
    except OSError:
        return


def _file(site: Site) -> str:
    return f"config/environments/{site.name}.toml"
