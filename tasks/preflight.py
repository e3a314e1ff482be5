"""What stands in the way of a rollout, found before anything is changed. Only reads."""

import os
import platform
import shutil
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blocks.docker import Docker
from config.environment import Environment
from config.errors import StepError
from tasks.ports import Taken, ports, taken
from tasks.sandbox.postgres import MAJOR
from tasks.site import Site

ARCHITECTURES = ("x86_64", "aarch64")
RESOLVE_WITHIN_S = 0.15
CONNECT_WITHIN_S = 2.0
_GB = 1000**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One question asked of the machine. `advice` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" + (f"; {self.advice}" if self.advice else "")


def preflight(site: Site) -> list[Finding]:
    """Every finding at once, the good ones and mere facts included."""
    environment = site.environment
    if environment.platform.kind == "pigsty":
        return [_unsupported(site)]
    sockets = taken(environment)
    ours = any(socket.ours for socket in sockets)
    return [
        _machine(),
        *_disk(environment),
        _memory(environment, running=ours),
        *_ports(site, sockets),
        *_permissions(environment),
        _docker(),
        *(_postgres_version(site) if environment.platform.kind == "sandbox" else _given(site)),
        _domain(environment),
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


def _unsupported(site: Site) -> Finding:
    return Finding(
        "platform.kind",
        ok=False,
        detail="'pigsty' is not supported by this version",
        advice=f"set 'sandbox' or 'external' in {_file(site)}",
    )


def _machine() -> Finding:
    machine = platform.machine()
    detail = f"{machine}, {_system()}, kernel {platform.release()}, {os.cpu_count()} CPUs"
    if machine in ARCHITECTURES:
        return Finding("machine", ok=True, detail=detail)
    return Finding("machine", ok=False, detail=detail, advice="Dify has images for x86_64, aarch64")


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _disk(environment: Environment) -> list[Finding]:
    """Free space of every filesystem that images, data or the sandbox go to."""
    places = [environment.dify.home, environment.dify.data, Path("/var/lib/docker")]
    filesystems = {existing(place).stat().st_dev: existing(place) for place in places}
    return [_free(place, environment.preflight.disk_free_gb) for place in filesystems.values()]


def _free(place: Path, needed_gb: float) -> Finding:
    free_gb = shutil.disk_usage(place).free / _GB
    detail = f"{free_gb:.1f} GB free in {place}, needed {needed_gb:g} GB"
    if free_gb >= needed_gb:
        return Finding("disk", ok=True, detail=detail)
    advice = "free some, or lower preflight.disk_free_gb"
    return Finding("disk", ok=False, detail=detail, advice=advice)


def _memory(environment: Environment, *, running: bool) -> Finding:
    """Memory for a start; what already runs has taken its part."""
    needed_gb = environment.preflight.memory_gb
    free_gb = _meminfo()["MemAvailable"] * 1024 / _GB
    detail = f"{free_gb:.1f} GB available, needed {needed_gb:g} GB"
    if running or free_gb >= needed_gb:
        return Finding("memory", ok=True, detail=detail + (", already running" if running else ""))
    advice = "free some, or lower preflight.memory_gb"
    return Finding("memory", ok=False, detail=detail, advice=advice)


def _meminfo() -> Mapping[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}


def _ports(site: Site, sockets: Iterable[Taken]) -> list[Finding]:
    foreign = {socket.key: socket.holder for socket in sockets if not socket.ours}
    wanted = ports(site.environment).items()
    return [_port(key, port, foreign.get(key), _file(site)) for key, port in wanted]


def _port(key: str, port: int, holder: str | None, file: str) -> Finding:
    if holder:
        advice = f"stop it or set another port in {file}"
        return Finding(key, ok=False, detail=f"{port} is taken by {holder}", advice=advice)
    if key.startswith("portal.") and port < _first_free_for_all() and os.geteuid() != 0:
        detail = f"{port} can only be opened by root"
        advice = f"run as root or set {key} to {_first_free_for_all()} or more in {file}"
        return Finding(key, ok=False, detail=detail, advice=advice)
    return Finding(key, ok=True, detail=f"{port} is free or ours")


def _first_free_for_all() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


def _permissions(environment: Environment) -> list[Finding]:
    places = {"dify.home": environment.dify.home, "dify.data": environment.dify.data}
    return [_writable(key, place) for key, place in places.items()]


def _writable(key: str, place: Path) -> Finding:
    if os.access(existing(place), os.W_OK | os.X_OK):
        return Finding(key, ok=True, detail=f"{place} can be written")
    return Finding(
        key,
        ok=False,
        detail=f"{existing(place)} cannot be written by this user",
        advice=f"run as root, or give it the directory: chown {os.getuid()} {existing(place)}",
    )


def _docker() -> Finding:
    reason = Docker().trouble()
    if reason is None:
        return Finding("docker", ok=True, detail="answers")
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return Finding("docker", ok=True, detail="will be installed or started")
    return Finding(
        "docker",
        ok=False,
        detail=reason,
        advice="start it and join its group (usermod -aG docker), or run as root",
    )


def _postgres_version(site: Site) -> list[Finding]:
    needs = site.release.postgres
    detail = (
        f"Dify {site.release.version} takes PostgreSQL {needs.min} to {needs.max}, "
        f"the sandbox brings {MAJOR}"
    )
    if needs.min <= MAJOR <= needs.max:
        return [Finding("postgres", ok=True, detail=detail)]
    advice = f"set another dify.release in {_file(site)}"
    return [Finding("postgres", ok=False, detail=detail, advice=advice)]


def _given(site: Site) -> list[Finding]:
    """Whether the given PostgreSQL and Redis accept connections at all."""
    postgres, redis = site.environment.postgres, site.environment.redis
    return [
        _answers("postgres", postgres.host, postgres.port, site),
        _answers("redis", redis.host, redis.port, site),
    ]


def _answers(name: str, host: str, port: int, site: Site) -> Finding:
    try:
        socket.create_connection((host, port), timeout=CONNECT_WITHIN_S).close()
    except OSError as error:
        detail = f"{host}:{port} does not answer: {error.strerror or error}"
        advice = f"start it, or mend {name}.host and {name}.port in {_file(site)}"
        return Finding(name, ok=False, detail=detail, advice=advice)
    return Finding(name, ok=True, detail=f"{host}:{port} answers")


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


def existing(path: Path) -> Path:
    """The path, or its nearest ancestor that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _file(site: Site) -> str:
    return f"config/environments/{site.name}.toml"
