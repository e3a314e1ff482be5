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
from tasks.core.step import Change, Step
from tasks.steps.proxy import proxy_steps, variables, wanted_proxies
from tasks.tools import compose

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

    def observe(self) -> StepError | None:
        try:
            compose_prefix(self.site.node)
        except StepError as error:
            return error
        return None

    def plan(self, actual: StepError | None) -> list[Change]:
        if actual is None:
            return []
        return [Change("bring Compose", actual.tried or "absent", str(CARRIED), action=actual)]

    def apply(self, change: Change) -> None:
        node, binary = self.site.node, _carried()
        ours, theirs = platform.machine(), node.run(Command(("uname", "-m"), changes=False)).strip()
        if binary is None or ours != theirs or not node.is_root():
            raise change.action
        node.write(File(CARRIED, binary.read_bytes(), mode=0o755, keep_previous=False))


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether the engine is installed, and why it cannot be used."""

    installed: bool
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Engine:
    """Docker Engine, installed from the distribution and started if missing and root."""

    site: Site
    name: str = "docker"
    settle_s: float = START_S

    def observe(self) -> Seen:
        trouble = startable(self.site)
        installed = trouble is None or self.site.node.which("dockerd") is not None
        return Seen(installed, trouble)

    def plan(self, actual: Seen) -> list[Change]:
        if actual.trouble is None:
            return []
        start = Change("start Docker Engine", actual.trouble, "answers", action="start")
        if actual.installed:
            return [start]
        what = f"install {' '.join(PACKAGES)}"
        return [Change(what, "absent", "from the distribution", action="install"), start]

    def apply(self, change: Change) -> None:
        if not self.site.node.is_root():
            raise StepError(
                "docker", change.before, advice="install and start it as root, or log in anew"
            )
        if change.action == "install":
            self._install()
        else:
            self._start()

    def _install(self) -> None:
        node = self.site.node
        if node.which("apt-get") is None:
            raise StepError(
                "docker", "not installed", advice="install Docker Engine, then deploy again"
            )
        install(node, *PACKAGES)

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
