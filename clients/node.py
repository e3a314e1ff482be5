"""A machine commands run on: what every node can do, and this machine doing it."""

import fcntl
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clients import children, files, processes
from clients.command import Command, CommandFailed, Completed
from clients.files import File
from clients.lines import OnLine
from clients.processes import Listener, Process
from clients.variables import search_path, variables
from config.environment.nodes import LOCAL
from config.errors import NotKnown, Passing, Refusal, RolloutError, Unreachable

log = logging.getLogger("rollout")


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at a path. A directory has no content."""

    content: bytes | None = field(repr=False)
    mode: int
    owner: int


class NodeError(NotKnown):
    """The node, or the way to it, is the trouble; nothing is known of the command."""


class NodeUnreachable(NodeError, Unreachable):
    """Nobody answered: asking again may help."""


class NodeRefused(NodeError):
    """The node answered and we may not do there what we have to."""


class ConnectionLost(NodeError, Passing):
    """It broke off in the middle. What was running there is killed."""


class LockLost(ConnectionLost, Refusal):
    """It broke off, and with it the lock of this run, which another one has or had since."""


class Held(RolloutError):
    """A lock is taken; `holder` is what whoever has it wrote into the file."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by {holder or 'somebody'}")
        self.holder = holder


class Node(Protocol):
    """`name` is how the configuration calls it; `patience` is taken times every built-in limit.

    Raises:
        NodeError: from every method, where the node itself is the trouble.
    """

    @property
    def name(self) -> str: ...
    @property
    def patience(self) -> float: ...
    def is_root(self) -> bool:
        """Whether commands run as root there."""
        ...

    def run(self, command: Command, on_line: OnLine | None = None) -> str: ...
    def attempt(self, command: Command, on_line: OnLine | None = None) -> Completed: ...
    def pipe(self, commands: Sequence[Command], on_line: OnLine | None = None) -> str: ...
    def spawn(self, command: Command, log_file: Path) -> int: ...
    def which(self, program: str) -> str | None: ...
    def read(self, path: Path) -> bytes | None: ...
    def mode(self, path: Path) -> int | None: ...
    def look(self, paths: Iterable[Path]) -> dict[Path, Entry | None]:
        """What lies at each path, None where nothing does; one round trip for all."""
        ...

    def write(self, file: File) -> None: ...
    def hold(self, path: Path, holder: str) -> AbstractContextManager[None]:
        """Lock the file as long as this process lives. Raises Held if another one has it."""
        ...

    def listeners(self, ports: Iterable[int]) -> list[tuple[Listener, Process | None]]:
        """Listening sockets on these ports, and whose they are where we may see it."""
        ...

    def processes(self) -> Iterable[Process]: ...
    def knock(self, host: str, port: int, within_s: float) -> str:
        """Why nobody answers the node at host:port; empty if somebody does."""
        ...

    def reach(self, host: str, port: int) -> tuple[str, int]:
        """Where this process reaches what the node reaches at host:port."""
        ...

    def docker_url(self) -> str | None:
        """Where this process reaches the node's Docker Engine; None: as the environment says."""
        ...


class LocalNode:
    """This machine."""

    name = LOCAL
    patience = 1.0

    def __init__(self, patience: float = 1.0) -> None:
        self.patience = patience

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def run(self, command: Command, on_line: OnLine | None = None) -> str:
        """Return stdout; every line of either stream goes to `on_line` as it comes.

        Raises:
            CommandFailed: non-zero exit, missing program, or no end within
                `command.timeout_s` seconds (then its whole process group is killed).
        """
        (done,) = children.finish([command], on_line, patience=self.patience)
        if done.status != 0:
            raise failed(command, done)
        return done.stdout

    def attempt(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """How the command ended; a missing program is status 127, as a shell reports it."""
        try:
            (done,) = children.finish([command], on_line, patience=self.patience)
        except FileNotFoundError:
            return Completed(127, "", f"{command.words[0]}: not found")
        return done

    def pipe(self, commands: Sequence[Command], on_line: OnLine | None = None) -> str:
        """Return what the last command prints; each reads what the one before it prints.

        Raises:
            CommandFailed: as `run`, for the first command that failed by itself.
        """
        done = children.finish(commands, on_line, patience=self.patience)
        _require(commands, done)
        return done[-1].stdout

    def spawn(self, command: Command, log_file: Path) -> int:
        """Start a daemon that outlives this process; its pid. Output is appended to `log_file`."""
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as output:
            process = subprocess.Popen(
                command.argv(),
                cwd=command.cwd,
                env=variables(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return process.pid

    def which(self, program: str) -> str | None:
        """Full path of a program, also from the administrator's folders."""
        return shutil.which(program, path=search_path())

    def read(self, path: Path) -> bytes | None:
        """The file's bytes, None if there is none."""
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise NodeError(f"{path} cannot be read: {error.strerror}") from None

    def mode(self, path: Path) -> int | None:
        """Permission bits, None if there is no such file."""
        try:
            return path.stat().st_mode & 0o7777
        except (FileNotFoundError, NotADirectoryError):
            return None

    def look(self, paths: Iterable[Path]) -> dict[Path, Entry | None]:
        return {path: _entry(path) for path in paths}

    def write(self, file: File) -> None:
        files.write(file)

    @contextmanager
    def hold(self, path: Path, holder: str) -> Generator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Held(path, file.read()) from None
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), holder.encode(), 0)
            os.fsync(file.fileno())
            try:
                yield
            finally:
                os.ftruncate(file.fileno(), 0)

    def listeners(self, ports: Iterable[int]) -> list[tuple[Listener, Process | None]]:
        sockets = processes.listeners(ports)
        known = processes.holders(sockets)
        return [(socket, known.get(socket.inode)) for socket in sockets]

    def processes(self) -> Iterable[Process]:
        return processes.processes()

    def knock(self, host: str, port: int, within_s: float) -> str:
        try:
            socket.create_connection((host, port), timeout=within_s).close()
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def reach(self, host: str, port: int) -> tuple[str, int]:
        return host, port

    def docker_url(self) -> str | None:
        return None


def _entry(path: Path) -> Entry | None:
    try:
        found = path.stat()
        content = None if stat.S_ISDIR(found.st_mode) else path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NodeError(f"{path} cannot be read: {error.strerror}") from None
    return Entry(content, found.st_mode & 0o7777, found.st_uid)


def failed(command: Command, done: Completed) -> CommandFailed:
    """The error of a command that ended with another status than 0."""
    return CommandFailed(
        command,
        f"exit status {done.status}",
        done.stderr or done.stdout,
        status=done.status,
        printed=done.stdout,
    )


def _require(commands: Sequence[Command], done: Sequence[Completed]) -> None:
    """A command that only lost its reader is not the one to blame."""
    wrong = [
        failed(command, each) for command, each in zip(commands, done, strict=True) if each.status
    ]
    blamed = [error for error in wrong if error.status != -signal.SIGPIPE]
    if wrong:
        raise (blamed or wrong)[0]
