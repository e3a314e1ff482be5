"""The sandbox's own Redis: program, configuration, server."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from redis.exceptions import ResponseError

from clients.command import CommandFailed, Secret
from clients.files import File
from clients.redis import RedisRefused, RedisServer, RedisUnreachable
from config.desired.sandbox import addresses, redis_conf
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Change, Kind, Step
from tasks.platforms.sandbox.daemons import Daemon, end, listens, require_address, require_free
from tasks.platforms.sandbox.home import make_owned, prepare_home, server_uid, service_user
from tasks.platforms.sandbox.package import Program
from tasks.tools import redis as tool

ANSWER_WITHIN_S = 20.0
STOP_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Actual:
    """The file as it lies there, whether a server runs, and its settings if it lets us in.

    `password`: the one that opened it, which after a change is that of the file before.
    """

    conf: str | None = field(default=None, repr=False)
    runs: bool = False
    live: Mapping[str, str] | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Server:
    """The server runs with our settings, in its file and in effect.

    What can be told to a running server is told it first and then written, so that
    a run that is killed between the two finds the difference again.
    """

    site: Site
    name: str = "redis"
    settle_s: float = 10

    def observe(self) -> Actual:
        content = self.site.node.read(self._conf())
        conf = None if content is None else content.decode(errors="replace")
        alive = daemon(self.site).alive
        if not alive():
            return Actual(conf)
        known = tool.parse_conf(conf or "")
        stored = known.get("port", "")
        port = int(stored) if stored.isdigit() else self.site.environment.redis.port
        for password in (self._password(), known.get("requirepass", "")):
            try:
                patient = self.site.within(ANSWER_WITHIN_S)
                with _here(port, password).client(patient, alive) as client:
                    live: Any = client.config_get()  # pyright: ignore[reportUnknownMemberType]
                    return Actual(conf, runs=True, live=live, password=password)
            except RedisRefused:
                continue
            except RedisUnreachable:
                if alive() and listens(["127.0.0.1"], port):
                    raise  # it is busy, not another one: a restart would lose what it holds
                break
        return Actual(conf, runs=alive())

    def plan(self, actual: Actual) -> Sequence[Change]:
        text = self._text()
        desired, stored = tool.parse_conf(text), tool.parse_conf(actual.conf or "")
        changes: list[Change] = []
        differing = [] if actual.live is None else tool.differences(desired, actual.live)
        stops = actual.runs and (actual.live is None or bool(tool.FIXED & {*differing}))
        if stops:
            others = ", ".join(sorted(tool.FIXED & {*differing}))
            why = f"runs with another {others}" if others else "does not let us in"
            changes.append(Change(Kind.STOP, "Redis", "stop Redis", why, "", "stop"))
        elif actual.live is not None:
            port = int(actual.live["port"])
            changes += [self._tell(actual, desired, name, port) for name in differing]
        if actual.conf != text:
            names = sorted(n for n in {*desired, *stored} if desired.get(n) != stored.get(n))
            before = tool.shown(stored, names) or ("absent" if actual.conf is None else "otherwise")
            after = tool.shown(desired, names)
            changes.append(
                Change(Kind.CHANGE, "redis.conf", "write redis.conf", before, after, Secret(text))
            )
        if stops or not actual.runs:
            changes.append(
                Change(Kind.START, "Redis", "start Redis", "not running", "running", "start")
            )
        return changes

    def apply(self, change: Change) -> None:
        if isinstance(change.action, Secret):
            prepare_home(self.site)
            make_owned(folder(self.site))
            content = change.action.value.encode()
            file = File(self._conf(), content, 0o600, server_uid(), keep_previous=False)
            self.site.node.write(file)
        elif isinstance(change.action, Setting):
            change.action.tell()
        elif change.action == "stop":
            require_address("redis", self._addresses())
            stop(self.site)
        else:
            self._start()

    def _tell(self, actual: Actual, desired: Mapping[str, str], name: str, port: int) -> Change:
        live = actual.live or {}
        action = Setting(_here(port, actual.password), name, desired[name])
        before, after = tool.shown(live, [name]), tool.shown(desired, [name])
        return Change(
            Kind.CHANGE, f"{name} of Redis", f"set {name} of Redis", before, after, action
        )

    def _start(self) -> None:
        ours = daemon(self.site)
        ours.end_orphans(signal.SIGTERM)
        ours.pid_file.unlink(missing_ok=True)
        port = self.site.environment.redis.port
        require_free("redis", self._addresses(), port)
        log = folder(self.site) / "redis.log"
        read = log.stat().st_size if log.exists() else 0
        program = self.site.node.which("redis-server") or "redis-server"
        try:
            self.site.node.run(tool.start(program, self._conf(), service_user()))
            with _here(port, self._password()).client(self.site.within(ANSWER_WITHIN_S)):
                return
        except (CommandFailed, RedisUnreachable, RedisRefused) as error:
            text = log.read_bytes()[read:].decode(errors="replace") if log.exists() else ""
            raise StepError(
                "redis",
                f"Redis does not start: {tool.complaint(text) or error}",
                tried=f"redis-server {self._conf()}",
                advice=f"read {log}",
            ) from None

    def _text(self) -> str:
        return redis_conf(self.site.environment, self._password(), folder(self.site))

    def _password(self) -> str:
        return self.site.secret("redis_password")

    def _conf(self) -> Path:
        return folder(self.site) / "redis.conf"

    def _addresses(self) -> list[str]:
        return addresses(self.site.environment.redis.host)


@dataclass(frozen=True, slots=True)
class Setting:
    """One directive to tell a running server."""

    server: RedisServer
    name: str
    value: str = field(repr=False)

    def tell(self) -> None:
        try:
            with self.server.client() as client:
                client.config_set(self.name, self.value)  # pyright: ignore[reportUnknownMemberType]
        except ResponseError as error:
            reason = str(error).replace(self.value, "***") if self.value else str(error)
            raise StepError("redis", f"Redis does not take {self.name}: {reason}") from None


def folder(site: Site) -> Path:
    """Redis's directory, links resolved: it is how its process is recognised."""
    return site.environment.sandbox.home.resolve() / "redis"


def daemon(site: Site) -> Daemon:
    return Daemon("redis-server", folder(site), folder(site) / "redis.pid")


def server_steps(site: Site) -> list[Step[Any]]:
    return [program(site), Server(site)]


def program(site: Site) -> Program:
    return Program(site.node, "redis", "redis-server", "redis-server", "redis-server")


def stop(site: Site) -> None:
    """No process of the sandbox's Redis is left; everything is written."""
    found = daemon(site).running()
    if found:
        end([found], signal.SIGTERM, site.within(STOP_WITHIN_S))
    daemon(site).end_orphans(signal.SIGTERM)


def _here(port: int, password: str) -> RedisServer:
    return RedisServer("127.0.0.1", port, SecretStr(password))
