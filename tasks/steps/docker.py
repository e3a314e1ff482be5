"""Docker Engine answers and Compose v2 is at hand."""

import importlib.util
import platform
from dataclasses import dataclass
from functools import cache
from operator import not_
from pathlib import Path
from typing import Any

from clients.command import PATIENCE, Command
from clients.files import File
from clients.node import Node
from clients.waiting import until
from config.environment.nodes import LOCAL
from config.errors import StepError
from tasks.core.engine import PIDFILE, startable
from tasks.core.nodes import on_each
from tasks.core.packages import install
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.steps.proxy import proxy_steps, variables, wanted_proxies
from tasks.tools import compose

BY_HAND = "install Docker Engine and Compose there (a deploy does it only with apt-get)"
PACKAGES = ("docker.io", "iptables")
START_S = 60.0
CARRIED = Path("/var/lib/dify-rollout/docker-compose")
SYSTEMD = Path("/run/systemd/system")


@cache  # a run asks often, and over SSH each answer takes its time
def compose_prefix(node: Node) -> compose.Prefix:
    """How Compose v2 is called there: Docker's plugin, a program of its own, or ours.

    Raises:
        StepError: none is there, or it is older than 2.20.
    """
    candidates: list[compose.Prefix] = []
    if node.which("docker"):
        candidates.append(("docker", "compose"))
    if node.which("docker-compose"):
        candidates.append(("docker-compose",))
    carried = _carried() if node.name == LOCAL else CARRIED
    if carried and node.which(str(carried)):
        candidates.append((str(carried),))
    for prefix in candidates:
        found = node.attempt(compose.version(prefix))
        known = compose.parse_version(found.stdout) if found.status == 0 else None
        if known and known >= compose.MINIMUM:
            return prefix
    raise StepError(
        "docker",
        f"Compose v2.20 or newer was not found on {node.name}",
        tried=" and ".join(" ".join(prefix) for prefix in candidates),
        advice="install the package docker-compose-plugin there",
    )


def _carried() -> Path | None:
    """The binary that our own wheel brings."""
    spec = importlib.util.find_spec("compose")
    return Path(spec.origin).with_name("docker-compose") if spec and spec.origin else None


@dataclass(frozen=True, slots=True)
class Compose:
    """Compose v2 is at hand on a node elsewhere: if its own is missing or old, we bring ours."""

    site: Site
    name: str = "docker"
    settle_s: float = 0.0

    def observe(self) -> tuple[StepError, bool] | None:
        """Why none is at hand, and whether ours would run there."""
        node = self.site.node
        try:
            compose_prefix(node)
        except StepError as error:
            machine = node.run(Command(("uname", "-m"), changes=False)).strip()
            fits = _carried() is not None and machine == platform.machine() and node.is_root()
            return error, fits
        return None

    def plan(self, actual: tuple[StepError, bool] | None) -> list[Planned]:
        if actual is None:
            return []
        error, fits = actual
        if not fits:
            return [Blocked("bring Compose", error.cause, error.advice)]
        return [
            Change(Kind.MAKE, "Compose", "bring Compose", error.tried or "absent", str(CARRIED))
        ]

    def apply(self, change: Change) -> None:
        if binary := _carried():
            content = binary.read_bytes()
            self.site.node.write(File(CARRIED, content, mode=0o755, keep_previous=False))


@dataclass(frozen=True, slots=True)
class Actual:
    """Whether the engine is there or could be, why it cannot be used, and whether we are root."""

    installed: bool
    trouble: str | None
    root: bool = True
    installable: bool = True


@dataclass(frozen=True, slots=True)
class Engine:
    """Docker Engine, installed from the distribution and started if missing and root."""

    site: Site
    name: str = "docker"
    settle_s: float = START_S

    def observe(self) -> Actual:
        trouble = startable(self.site)
        if trouble is None:
            return Actual(True, None)
        node = self.site.node
        installed, installable = (node.which(name) is not None for name in ("dockerd", "apt-get"))
        return Actual(installed, trouble, node.is_root(), installable)

    def plan(self, actual: Actual) -> list[Planned]:
        if actual.trouble is None:
            return []
        if not actual.root:
            do = "install and start it as root, or log in anew"
            return [Blocked("use Docker Engine", actual.trouble, do)]
        start = Change(
            Kind.START,
            "Docker Engine",
            "start Docker Engine",
            actual.trouble,
            "answers",
            action="start",
        )
        if actual.installed:
            return [start]
        what = f"install {' '.join(PACKAGES)}"
        if not actual.installable:
            return [Blocked(what, actual.trouble, BY_HAND)]
        return [
            Change(
                Kind.MAKE,
                "Docker Engine",
                what,
                "absent",
                "from the distribution",
                action="install",
            ),
            start,
        ]

    def apply(self, change: Change) -> None:
        if change.action == "install":
            install(self.site.node, *PACKAGES)
        else:
            self._start()

    def _start(self) -> None:
        node = self.site.node
        if node.look([SYSTEMD])[SYSTEMD]:
            node.run(Command(("systemctl", "start", "docker"), timeout_s=120))
            return
        running = Path("/proc", (node.read(PIDFILE) or b"").decode().strip() or "0")
        if not node.look([running])[running]:
            node.run(Command(("rm", "-f", str(PIDFILE))))
        log_file = Path("/var/log/dockerd.log")
        proxy = wanted_proxies(self.site)
        node.spawn(Command(("dockerd",), env=variables(proxy) if proxy else ()), log_file)
        trouble = until(
            self.site.docker.trouble, not_, within_s=self.site.within(START_S), every_s=0.2
        )
        if trouble:
            raise StepError(
                "docker",
                trouble,
                tried="dockerd",
                advice=f"read {log_file}, or raise {PATIENCE}",
            )


def docker_steps(site: Site) -> list[Step[Any]]:
    """The engine on every node that runs Dify."""
    return on_each(site, _engine)


def _engine(site: Site) -> list[Step[Any]]:
    compose = [] if site.node.name == LOCAL else [Compose(site)]
    return [Engine(site), *compose, *proxy_steps(site)]
