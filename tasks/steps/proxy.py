"""Docker Engine pulls through the environment's proxy; containers do not notice the change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import not_
from pathlib import Path
from typing import Any

from blocks import login
from clients.command import PATIENCE, Command, Secret
from clients.files import File
from clients.node import Entry
from clients.waiting import until
from config.desired import daemon
from config.desired.daemon import Proxies
from config.errors import StepError
from tasks.core.engine import usable
from tasks.core.site import Site
from tasks.core.step import Change, Kind

IN_FILE_SINCE = 23
WITHIN_S = 60.0
PRIVATE = 0o600
SYSTEMD = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Places:
    """Where an engine keeps what; another one than the distribution's keeps it elsewhere."""

    config: Path = Path("/etc/docker/daemon.json")
    variables: Path = Path("/etc/docker/dify-rollout-proxy.env")
    drop_in: Path = Path("/etc/systemd/system/docker.service.d/dify-rollout-proxy.conf")
    pidfile: Path = Path("/var/run/docker.pid")
    log: Path = Path("/var/log/dockerd.log")


@dataclass(frozen=True, slots=True)
class Actual:
    """The engine's files, what it says, and the variables its process has."""

    usable: bool
    systemd: bool = False
    entries: dict[Path, Entry | None] = field(default_factory=dict[Path, Entry | None], repr=False)
    info: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    variables: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def in_file(self) -> bool:
        """Whether daemon.json has a key for it; older engines only know variables."""
        version = str(self.info.get("ServerVersion", "0"))
        return int(version.partition(".")[0]) >= IN_FILE_SINCE


@dataclass(frozen=True, slots=True)
class Proxy:
    """The engine has the proxy, from files that a reboot reads again."""

    site: Site
    wanted: Proxies
    places: Places = Places()
    name: str = "docker"
    settle_s: float = 10.0

    def observe(self) -> Actual:
        if not usable(self.site):
            return Actual(usable=False)
        places = [self.places.config, self.places.variables, self.places.drop_in, SYSTEMD]
        entries = self.site.node.look(places)
        return Actual(
            usable=True,
            systemd=entries[SYSTEMD] is not None,
            entries=entries,
            info=self.site.docker.info(),
            variables=self._variables(),
        )

    def plan(self, actual: Actual) -> Sequence[Change]:
        """Nothing on a node without an engine: the part before this one starts it first."""
        if not actual.usable:
            return []
        changes = [
            Change(
                Kind.CHANGE,
                str(file.path),
                f"write {file.path}",
                "other content",
                f"proxy {self.wanted.masked}",
                file,
            )
            for file in self._files(actual)
            if not _as_wanted(actual.entries[file.path], file)
        ]
        if not self._in_effect(actual):
            if not actual.info.get("LiveRestoreEnabled"):
                changes.append(
                    Change(
                        Kind.CHANGE,
                        "live-restore",
                        "let containers outlive Docker Engine",
                        "off",
                        "live-restore",
                        "reload",
                    )
                )
            before = str(actual.info.get("HttpProxy") or "no proxy")
            after = f"proxy {self.wanted.masked}"
            changes.append(
                Change(
                    Kind.RESTART, "Docker Engine", "restart Docker Engine", before, after, "restart"
                )
            )
        return changes

    def apply(self, change: Change) -> None:
        if isinstance(change.action, File):
            self.site.node.write(change.action)
        elif change.action == "reload":
            self._reload()
        else:
            self._restart()

    def _files(self, actual: Actual) -> list[File]:
        """daemon.json first: live-restore must be on before anything restarts."""
        secret, found = self.wanted.secret, actual.entries[self.places.config]
        text = (found.content or b"").decode() if found else ""
        try:
            content = daemon.with_proxies(text, self.wanted, into_file=actual.in_file)
        except ValueError as error:
            raise StepError(
                "docker",
                f"{self.places.config} on {self.site.node.name} is not JSON: {error}",
                advice="mend it; nothing was written",
            ) from None
        mode = found.mode if found else 0o644
        private = PRIVATE if secret and actual.in_file else mode
        files = [File(self.places.config, content.encode(), mode=private, foreign=True)]
        if actual.systemd and not actual.in_file:
            variables = daemon.environment_file(self.wanted).encode()
            unit = daemon.DROP_IN.format(file=self.places.variables).encode()
            files.append(File(self.places.variables, variables, mode=PRIVATE))
            files.append(File(self.places.drop_in, unit))
        return files

    def _in_effect(self, actual: Actual) -> bool:
        if actual.in_file:
            said = [actual.info.get(key) for key in ("HttpProxy", "HttpsProxy", "NoProxy")]
            config = self._files(actual)[0]
            found = actual.entries[config.path]
            # A password is masked in what the engine says: only the file tells another one.
            same = found is not None and found.content == config.content
            return same and said == [self.wanted.masked, self.wanted.masked, self.wanted.no_proxy]
        return self.wanted.variables().items() <= actual.variables.items()

    def _variables(self) -> dict[str, str]:
        found = self.site.node.read(Path("/proc", self._pid(), "environ")) or b""
        pairs = (line.partition("=") for line in found.decode(errors="replace").split("\0"))
        return {name: value for name, _, value in pairs}

    def _pid(self) -> str:
        return (self.site.node.read(self.places.pidfile) or b"0").decode().strip()

    def _reload(self) -> None:
        self.site.node.run(Command(("kill", "-HUP", self._pid()), user="root"))
        if not until(
            lambda: self.site.docker.info().get("LiveRestoreEnabled"),
            within_s=self.site.within(WITHIN_S),
            every_s=0.2,
        ):
            raise StepError(
                "docker",
                "Docker Engine does not take live-restore, without which a restart would "
                "stop every container",
                advice="read its log; in a swarm restart it by hand",
            )

    def _restart(self) -> None:
        node = self.site.node
        if node.look([SYSTEMD])[SYSTEMD]:
            node.run(Command(("systemctl", "daemon-reload"), timeout_s=60))
            node.run(Command(("systemctl", "restart", "docker"), timeout_s=180))
        else:
            self._replace_process()
        if trouble := until(
            self.site.docker.trouble, not_, within_s=self.site.within(WITHIN_S), every_s=0.2
        ):
            raise StepError(
                "docker", trouble, tried="restart", advice=f"read its log, or raise {PATIENCE}"
            )

    def _replace_process(self) -> None:
        """The engine somebody started by hand, again with the words it was started with."""
        node, running = self.site.node, Path("/proc", self._pid())
        words = (node.read(running / "cmdline") or b"").decode().rstrip("\0").split("\0")
        node.run(Command(("kill", "-TERM", running.name), user="root"))
        if until(
            lambda: node.read(running / "cmdline"),
            not_,
            within_s=self.site.within(WITHIN_S),
            every_s=0.1,
        ):
            raise StepError(
                "docker",
                "Docker Engine does not end",
                tried="kill -TERM",
                advice=f"raise {PATIENCE}",
            )
        node.spawn(Command(tuple(words), env=variables(self.wanted)), self.places.log)


def variables(wanted: Proxies) -> tuple[tuple[str, Secret], ...]:
    """What a process gets that goes through the proxy."""
    return tuple((name, Secret(value)) for name, value in wanted.variables().items())


def wanted_proxies(site: Site) -> Proxies | None:
    """The proxy the environment names, None if it names none."""
    docker = site.environment.docker
    if not docker.proxy:
        return None
    if not docker.proxy_login:
        return daemon.proxies(site.environment)
    found = login.load(docker.proxy_login, "docker.proxy_login")
    return daemon.proxies(site.environment, found.username, found.password.get_secret_value())


def proxy_steps(site: Site) -> list[Proxy]:
    wanted = wanted_proxies(site)
    return [Proxy(site, wanted)] if wanted else []


def _as_wanted(entry: Entry | None, file: File) -> bool:
    return entry is not None and (entry.content, entry.mode) == (file.content, file.mode)
