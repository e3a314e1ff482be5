"""The sandbox's own PostgreSQL with pgvector: data directory and server.

The database administrator comes in by a unix socket in a directory
closed to everybody but the server's own user (and root): that door needs no password, has none
that could leak, and no other user of the machine reaches it.
"""

import os
import pwd
import shutil
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from clients.command import CommandFailed
from clients.files import File
from clients.postgres import Connection, Postgres, PostgresRefused, PostgresUnreachable
from config.desired.sandbox import addresses, pg_hba_conf, postgresql_conf
from config.errors import StepError
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Planned, Step
from tasks.platforms.sandbox.daemons import (
    listens,
    program_of,
    require_address,
    require_free,
)
from tasks.platforms.sandbox.home import (
    SERVICE_USER,
    make_owned,
    server_uid,
    service_user,
)
from tasks.platforms.sandbox.postgres_layout import MAJORS, Layout, layout
from tasks.platforms.sandbox.postgres_programs import Programs
from tasks.tools import postgres as tool

# Seen from the data directory, where the server works: a socket's path may be 107 bytes long
# at most, and the sandbox may lie deeper than that.
SOCKET = Path("../socket")
ASK_WITHIN_S = 20.0


@contextmanager
def administrator(site: Site, database: str = "postgres") -> Generator[Connection]:
    """A connection as superuser, by the socket.

    Raises:
        PostgresUnreachable, PostgresRefused: as `Postgres.connect`.
    """
    place = layout(site)
    if not place.daemon.alive():
        raise PostgresUnreachable(f"the sandbox's PostgreSQL in {place.root} does not run")
    port = tool.port(_text(site, place.data / "postmaster.pid")) or site.environment.postgres.port
    # By way of the open directory the path is short, wherever it lies.
    folder = os.open(place.socket, os.O_PATH | os.O_DIRECTORY)
    try:
        server = Postgres(f"/proc/self/fd/{folder}", port, owner(), SecretStr(""), database)
        with server.connect(site.within(ASK_WITHIN_S), place.daemon.alive) as connection:
            yield connection
    finally:
        os.close(folder)


def owner() -> str:
    """The superuser's name: that of the OS user the server runs as."""
    return SERVICE_USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data directory is there."""

    site: Site
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> str:
        return _text(self.site, layout(self.site).data / "PG_VERSION").strip()

    def plan(self, actual: str) -> Sequence[Planned]:
        place = layout(self.site)
        if actual == str(place.major):
            return []
        if not actual:
            what = "initialise PostgreSQL"
            return [Change(Kind.MAKE, "data directory", what, "absent", str(place.major))]
        brought = " and ".join(map(str, MAJORS))
        return [
            Blocked(
                "upgrade PostgreSQL's data directory",
                f"{place.data} belongs to PostgreSQL {actual}, the sandbox brings {brought}",
                "dump its databases with the old version and move the directory away",
            )
        ]

    def apply(self, change: Change) -> None:
        place = layout(self.site)
        fresh = place.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        make_owned(fresh)
        self.site.node.run(_programs(self.site).initdb(fresh, owner()))
        for sample in _files(fresh):
            sample.unlink()
        fresh.rename(place.data)


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that runs. `known` is False for one that cannot be asked."""

    pid: int
    listens: bool
    from_here: bool
    known: bool = False
    loaded: bool = False
    fixed: frozenset[str] = field(default_factory=frozenset[str])
    pending: frozenset[str] = field(default_factory=frozenset[str])


@dataclass(frozen=True, slots=True)
class Actual:
    """The two files as they lie there, and the server."""

    conf: str | None
    hba: str | None
    running: ServerProcess | None


@dataclass(frozen=True, slots=True)
class Text:
    """What a file of the server's should contain."""

    path: Path
    content: str


def _move(kind: Kind, before: str, after: str = "") -> Change:
    """The server is started, restarted or reloaded."""
    return Change(kind, "PostgreSQL", f"{kind} PostgreSQL", before, after, str(kind))


@dataclass(frozen=True, slots=True)
class Server:
    """The server runs with our settings and admits whom our rules name."""

    site: Site
    name: str = "pgsql"
    settle_s: float = 10

    def observe(self) -> Actual:
        place = layout(self.site)
        conf, hba = (self.site.node.read(path) for path in _files(place.data))
        running = self._running(place)
        return Actual(
            None if conf is None else conf.decode(errors="replace"),
            None if hba is None else hba.decode(errors="replace"),
            running,
        )

    def plan(self, actual: Actual) -> Sequence[Change]:
        settings = postgresql_conf(self.site.environment, SOCKET)
        rules = pg_hba_conf(self.site.environment, owner())
        conf, hba = _files(layout(self.site).data)
        changes: list[Change] = []
        changed = tool.differences(tool.parse_conf(actual.conf or ""), settings)
        if actual.conf != tool.conf(settings):
            before = _shown(tool.parse_conf(actual.conf or ""), changed)
            action = Text(conf, tool.conf(settings))
            what = "write postgresql.conf"
            changes.append(
                Change(
                    Kind.CHANGE,
                    conf.name,
                    what,
                    before or "absent",
                    _shown(settings, changed),
                    action,
                )
            )
        if actual.hba != rules:
            before = "absent" if actual.hba is None else _only_in(actual.hba, rules)
            after = _only_in(rules, actual.hba or "")
            changes.append(
                Change(Kind.CHANGE, hba.name, "write pg_hba.conf", before, after, Text(hba, rules))
            )
        return [*changes, *self._moves(actual.running, changed, written=bool(changes))]

    def apply(self, change: Change) -> None:
        place = layout(self.site)
        if isinstance(change.action, Text):
            content = change.action.content.encode()
            self.site.node.write(File(change.action.path, content, 0o600, server_uid()))
        elif change.action == "reload":
            self.site.node.run(_programs(self.site).reload(place.data))
        else:
            require_address("pgsql", self._addresses())
            stop(self.site)
            self._start(place)

    def _moves(
        self, running: ServerProcess | None, changed: Sequence[str], *, written: bool
    ) -> list[Change]:
        """What makes the server follow its files."""
        if running is None:
            return [_move(Kind.START, "not running", "running")]
        if not running.from_here:
            return [_move(Kind.RESTART, "runs replaced programs")]
        if names := sorted(running.pending | (running.fixed & {*changed})):
            return [_move(Kind.RESTART, "runs without " + ", ".join(names))]
        if not running.listens:
            wanted = ", ".join(self._addresses())
            return [_move(Kind.RESTART, "does not listen everywhere", wanted)]
        if written or not running.known or not running.loaded:
            return [_move(Kind.RELOAD, "runs without what its files say")]
        return []

    def _running(self, place: Layout) -> ServerProcess | None:
        found = place.daemon.running()
        if found is None:
            return None
        port = tool.port(_text(self.site, place.data / "postmaster.pid"))
        program = program_of(found)
        running = ServerProcess(
            found.pid,
            listens=port is not None and listens(self._addresses(), port),
            from_here=program == place.programs / "bin" / "postgres",
        )
        try:
            with administrator(self.site) as connection:
                return _asked(connection, running, place)
        except PostgresRefused:
            return running
        except PostgresUnreachable:
            if not place.daemon.alive():
                return None
            if running.from_here and running.listens:
                raise  # a restart would end what it is busy with
            return running

    def _start(self, place: Layout) -> None:
        if not place.daemon.alive():
            _forget(place)
        require_free("pgsql", self._addresses(), self.site.environment.postgres.port)
        make_owned(place.socket)
        make_owned(place.log.parent)
        read = place.log.stat().st_size if place.log.exists() else 0
        try:
            self.site.node.run(_programs(self.site).start(place.data, place.log))
        except CommandFailed as error:
            text = place.log.read_bytes()[read:] if place.log.exists() else b""
            why = tool.complaints(text.decode(errors="replace")) or error.reason
            raise StepError(
                "pgsql",
                f"PostgreSQL does not start: {why}",
                tried=str(error.command),
                advice=f"read {place.log}",
            ) from None

    def _addresses(self) -> list[str]:
        return addresses(self.site.environment.postgres.host)


def server_steps(site: Site) -> list[Step[Any]]:
    """The server, without anything in it."""
    return [Programs(site), Cluster(site), Server(site)]


def stop(site: Site) -> None:
    """No process of the sandbox's PostgreSQL is left; everything is written.

    Raises:
        CommandFailed: it does not end within the limit.
    """
    place = layout(site)
    if place.daemon.running():
        site.node.run(_programs(site).stop(place.data))
    place.daemon.end_orphans(signal.SIGQUIT)


def _forget(place: Layout) -> None:
    """Nothing is left of a server that was killed.

    Whoever has the number in a stale lock file now, be it the dead server as a zombie, it is no
    server of ours: PostgreSQL cannot know that and would refuse to start.
    """
    place.daemon.end_orphans(signal.SIGQUIT)
    for lock in (place.data / "postmaster.pid", *place.socket.glob(".s.PGSQL.*")):
        lock.unlink(missing_ok=True)


def _asked(connection: Connection, running: ServerProcess, place: Layout) -> ServerProcess:
    """What the server says of the settings it runs with."""
    names = "SELECT name FROM pg_catalog.pg_settings WHERE context = 'postmaster'"
    pending = (
        "SELECT name FROM pg_catalog.pg_settings WHERE pending_restart"
        " UNION SELECT name FROM pg_catalog.pg_file_settings"
        " WHERE error = 'setting could not be applied'"
    )
    loaded = "SELECT extract(epoch FROM pg_catalog.pg_conf_load_time())::float8"
    row = connection.execute(loaded).fetchone()
    written = max(path.stat().st_mtime for path in _files(place.data) if path.exists())
    return ServerProcess(
        running.pid,
        running.listens,
        running.from_here,
        known=True,
        loaded=row is not None and row[0] >= written,
        fixed=frozenset(name for (name,) in connection.execute(names)),
        pending=frozenset(name for (name,) in connection.execute(pending)),
    )


def _files(data: Path) -> tuple[Path, Path]:
    return data / "postgresql.conf", data / "pg_hba.conf"


def _programs(site: Site) -> tool.Programs:
    return tool.Programs(layout(site).programs, service_user())


def _text(site: Site, path: Path) -> str:
    return (site.node.read(path) or b"").decode(errors="replace")


def _shown(settings: dict[str, str], names: Sequence[str]) -> str:
    return "\n".join(f"{name} = {settings[name]}" for name in names if name in settings)


def _only_in(text: str, other: str) -> str:
    known = other.splitlines()
    return "\n".join(line for line in text.splitlines() if line not in known)
