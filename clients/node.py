"""A machine commands run on: what every node can do, and this machine doing it."""

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from clients import files, processes
from clients.command import Command, CommandFailed, Completed
from clients.files import File
from clients.processes import Listener, Process
from clients.running import await_end, waited_for
from config.environment import LOCAL
from config.errors import NotKnown, RolloutError, Unreachable

log = logging.getLogger("rollout")

NEEDED = ("PATH", "HOME", "LANG", "XDG_", "DOCKER_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
          "http_proxy", "https_proxy", "no_proxy")  # fmt: skip


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


class ConnectionLost(NodeError):
    """It broke off in the middle. What was running there is killed."""


class Held(RolloutError):
    """A lock is taken; `holder` is what whoever has it wrote into the file."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by {holder or 'somebody'}")
        self.holder = holder


class Node(Protocol):
    """`name` is how the configuration calls it.

    Raises:
        NodeError: from every method, where the node itself is the trouble.
    """

    @property
    def name(self) -> str: ...
    def is_root(self) -> bool:
        """Whether commands run as root there."""
        ...

    def run(self, command: Command, on_line: Callable[[str], None] | None = None) -> str: ...
    def attempt(self, command: Command) -> Completed: ...
    def pipe(
        self, commands: Sequence[Command], on_line: Callable[[str], None] | None = None
    ) -> str: ...
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

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def run(self, command: Command, on_line: Callable[[str], None] | None = None) -> str:
        """Return stdout; every line of either stream goes to `on_line` as it comes.

        Raises:
            CommandFailed: non-zero exit, missing program, or no end within
                `command.timeout_s` seconds (then its whole process group is killed).
        """
        done = self._finish(command, on_line)
        if done.status != 0:
            said = done.stderr or done.stdout
            raise CommandFailed(command, f"exit status {done.status}", said, status=done.status)
        return done.stdout

    def attempt(self, command: Command) -> Completed:
        """How the command ended; a missing program is status 127, as a shell reports it."""
        try:
            return self._finish(command, None)
        except FileNotFoundError:
            return Completed(127, "", f"{command.words[0]}: not found")

    def pipe(
        self, commands: Sequence[Command], on_line: Callable[[str], None] | None = None
    ) -> str:
        """Return what the last command prints; each reads what the one before it prints.

        Raises:
            CommandFailed: as `run`, for the first command that failed by itself.
        """
        with contextlib.ExitStack() as ends:
            running: list[tuple[subprocess.Popen[str], list[str]]] = []
            readers: list[threading.Thread] = []
            source: IO[str] | int = subprocess.DEVNULL
            for command in commands:
                process = _started(command, source)
                ends.callback(_end, process)
                if not isinstance(source, int):
                    source.close()  # only the two processes hold the pipe now
                source = process.stdout or subprocess.DEVNULL
                errors: list[str] = []
                readers.append(_reader(process.stderr, errors, None))
                running.append((process, errors))
            out: list[str] = []
            readers.append(_reader(running[-1][0].stdout, out, on_line))
            deadline = time.monotonic() + max(command.timeout_s for command in commands)
            for command, (process, errors) in zip(commands, running, strict=True):
                _wait(command, process, errors, deadline)
            for reader in readers:
                reader.join(timeout=2)
            _require(commands, running)
        return "".join(out)

    def spawn(self, command: Command, log_file: Path) -> int:
        """Start a daemon that outlives this process; its pid. Output is appended to `log_file`."""
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as output:
            process = subprocess.Popen(
                command.argv(),
                cwd=command.cwd,
                env=_environment(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return process.pid

    def which(self, program: str) -> str | None:
        """Full path of a program, also from the administrator's folders."""
        path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
        return shutil.which(program, path=path)

    def read(self, path: Path) -> bytes | None:
        """The file's bytes, None if there is none."""
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

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

    def _finish(self, command: Command, on_line: Callable[[str], None] | None) -> Completed:
        process = subprocess.Popen(
            command.argv(),
            cwd=command.cwd,
            env=_environment(command),
            stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        out: list[str] = []
        err: list[str] = []
        readers = [_reader(process.stdout, out, on_line), _reader(process.stderr, err, on_line)]
        try:
            if command.stdin and process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(command.stdin.value)
                    process.stdin.close()
            with waited_for(process.pid):
                await_end(process, command.timeout_s)
            # A daemon the command left behind may hold the pipes open: its output is not ours.
            for reader in readers:
                reader.join(timeout=2)
        except subprocess.TimeoutExpired:
            reason = f"no end within {command.timeout_s:g} s"
            raise CommandFailed(command, reason, "".join(err or out)) from None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Completed(process.returncode, "".join(out), "".join(err))


def _entry(path: Path) -> Entry | None:
    try:
        found = path.stat()
        content = None if stat.S_ISDIR(found.st_mode) else path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Entry(content, found.st_mode & 0o7777, found.st_uid)


def _started(command: Command, source: IO[str] | int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command.argv(),
        cwd=command.cwd,
        env=_environment(command),
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(
    command: Command, process: subprocess.Popen[str], errors: list[str], deadline: float
) -> None:
    try:
        await_end(process, max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        reason = f"no end within {command.timeout_s:g} s"
        raise CommandFailed(command, reason, "".join(errors)) from None


def _require(
    commands: Sequence[Command], running: Sequence[tuple[subprocess.Popen[str], list[str]]]
) -> None:
    """A command that only lost its reader is not the one to blame."""
    failed = [
        CommandFailed(command, f"exit status {process.returncode}", "".join(errors))
        for command, (process, errors) in zip(commands, running, strict=True)
        if process.returncode != 0
    ]
    blamed = [error for error in failed if error.reason != f"exit status {-signal.SIGPIPE}"]
    if failed:
        raise (blamed or failed)[0]


def _environment(command: Command) -> dict[str, str]:
    added = {k: v if isinstance(v, str) else v.value for k, v in command.env}
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not command.own_env or name.startswith(NEEDED)
    }
    return {**kept, "PATH": path, **added}


def _reader(
    stream: IO[str] | None, lines: list[str], on_line: Callable[[str], None] | None
) -> threading.Thread:
    def pump() -> None:
        for line in stream or ():
            lines.append(line)
            if on_line:
                on_line(line.rstrip("\n"))

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    return thread
