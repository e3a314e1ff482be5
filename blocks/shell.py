"""A node reached through the standard streams of a shell: over SSH, or here as root by sudo."""

import contextlib
import hashlib
import os
import secrets
import signal
import subprocess
import threading
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from blocks import script
from blocks.command import Command, CommandFailed, Completed
from blocks.files import File
from blocks.node import ConnectionLost, Entry, Held, NodeError
from blocks.processes import Listener, Process
from blocks.relay import Relay
from blocks.sockets import parse_processes, parse_sockets
from config.errors import RolloutError

ANSWER_S = 60.0
END_S = 5.0
HEARTBEAT_S = 15.0

OnLine = Callable[[str], None]


class ShellNode:
    """What every such node does; kinds differ in how a shell is had and what is said if not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._locks: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def shell(self, words: list[str]) -> list[str]:
        """The local command that runs these words on the node, connected if need be.

        Raises:
            NodeError: the node cannot be reached or does not let us in.
        """

    @abstractmethod
    def refusal(self, said: str) -> NodeError:
        """Why no shell was had, from what was said instead."""

    def is_root(self) -> bool:
        return self._uid == 0

    def run(self, command: Command, on_line: OnLine | None = None) -> str:
        """As a local node does. Raises CommandFailed, and NodeError if the node is the trouble."""
        done = self._finish(command, on_line)
        if done.status != 0:
            raise CommandFailed(command, f"exit status {done.status}", done.stderr or done.stdout)
        return done.stdout

    def attempt(self, command: Command) -> Completed:
        return self._finish(command, None)

    def pipe(self, commands: Sequence[Command], on_line: OnLine | None = None) -> str:
        """As a local node does; of the errors only the order tells whose they are."""
        mark = _mark()
        limit = max(command.timeout_s for command in commands)
        done = self._named(commands[-1], script.piped(commands, mark), b"", limit, on_line)
        statuses, errors = script.parse_piped(done.complaint(), mark)
        failed = [(command, s) for command, s in zip(commands, statuses, strict=True) if s != 0]
        blamed = [(command, s) for command, s in failed if s != script.LOST_ITS_READER]
        for command, status in blamed or failed:
            raise CommandFailed(command, f"exit status {status}", errors)
        return done.text()

    def spawn(self, command: Command, log_file: Path) -> int:
        return int(self._script(script.spawn(command, log_file)))

    def which(self, program: str) -> str | None:
        found = self._talk(script.which(program)).text().strip()
        return found if found.startswith("/") else None

    def read(self, path: Path) -> bytes | None:
        entry = self.look([path])[path]
        return entry.content if entry else None

    def mode(self, path: Path) -> int | None:
        entry = self.look([path])[path]
        return entry.mode if entry else None

    def look(self, paths: Iterable[Path]) -> dict[Path, Entry | None]:
        wanted = list(paths)
        return script.parse_look(self._script(script.look(wanted)), wanted) if wanted else {}

    def write(self, file: File) -> None:
        said = self._script(script.write(file), file.content)
        if said.split()[:1] != [hashlib.sha256(file.content).hexdigest()]:
            raise RolloutError(
                f"{file.path} on {self.name}: read back other bytes than were written; "
                "check the disk"
            )

    @contextmanager
    def hold(self, path: Path, holder: str) -> Generator[None]:
        talk = self._begin(script.held(script.hold(path, holder), mark := _mark()), mark)
        try:
            if not talk.first_line(ANSWER_S):
                self._not_held(talk, path)
            self._locks.append(talk.process)
            threading.Thread(target=_beat, args=(talk,), daemon=True).start()
            yield
        finally:
            if talk.process in self._locks:
                self._locks.remove(talk.process)
            talk.end()

    def listeners(self, ports: Iterable[int]) -> list[tuple[Listener, Process | None]]:
        said = self.attempt(Command(("ss", "-Hltnp"), changes=False))
        return parse_sockets(said.stdout, set(ports), {p.pid: p for p in self.processes()})

    def processes(self) -> Iterable[Process]:
        columns = "pid=,ppid=,etimes=,args="
        return parse_processes(self.run(Command(("ps", "-eww", "-o", columns), changes=False)))

    def knock(self, host: str, port: int, within_s: float) -> str:
        words = ("timeout", f"{within_s:g}", "bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"')
        done = self.attempt(Command((*words, host, str(port)), changes=False))
        if done.status == 0:
            return ""
        return done.stderr.strip().rpartition(": ")[2] or "timed out"

    def docker_url(self) -> str | None:
        self.shell([])
        return self._relay.url

    @cached_property
    def _relay(self) -> Relay:
        return Relay(lambda: self.shell(["docker", "system", "dial-stdio"]))

    @cached_property
    def _uid(self) -> int:
        return int(self._script("id -u"))

    def _finish(self, command: Command, on_line: OnLine | None) -> Completed:
        stdin = command.stdin.value.encode(errors="surrogateescape") if command.stdin else b""
        done = self._named(command, script.of(command), stdin, command.timeout_s, on_line)
        return Completed(done.status, done.text(), done.complaint())

    def _named(
        self, command: Command, body: str, stdin: bytes, timeout_s: float, on_line: OnLine | None
    ) -> "_Said":
        """What was said of a command; its name is in what goes wrong."""
        try:
            return self._talk(body, stdin, timeout_s, on_line)
        except _TooLong as error:
            reason = f"no end within {timeout_s:g} s"
            raise CommandFailed(command, reason, error.output) from None
        except _BrokenOff:
            raise ConnectionLost(
                f"{self.name}: the connection broke off during: {command}\n"
                "  do: run it again when the node is back, it resumes"
            ) from None

    def _script(self, body: str, stdin: bytes = b"") -> str:
        """What a script of ours prints; it only fails for the reason it gives."""
        try:
            done = self._talk(body, stdin)
        except (_TooLong, _BrokenOff):
            raise ConnectionLost(
                f"{self.name}: the connection broke off\n"
                "  do: run it again when the node is back, it resumes"
            ) from None
        if done.status != 0:
            raise RolloutError(f"{self.name}: {done.complaint().strip() or 'nothing was said'}")
        return done.text()

    def _talk(
        self,
        body: str,
        stdin: bytes = b"",
        timeout_s: float = ANSWER_S,
        on_line: OnLine | None = None,
    ) -> "_Said":
        mark = _mark()
        talk = self._begin(script.framed(body, mark, len(stdin)), mark, stdin, on_line)
        try:
            ended = talk.ended.wait(timeout_s)
        finally:
            talk.end()
        if not ended:
            raise _TooLong(talk.said.complaint() or talk.said.text())
        self._check(talk)
        return talk.said

    def _begin(
        self, text: str, mark: str, stdin: bytes = b"", on_line: OnLine | None = None
    ) -> "_Talk":
        if any(lock.poll() is not None for lock in self._locks):
            raise ConnectionLost(
                f"{self.name}: the connection broke off, and with it the lock of this run\n"
                "  do: run it again when the node is back, it resumes"
            )
        content = text.encode(errors="surrogateescape")
        words = self.shell(["sh", "-c", script.BOOT, "sh", str(len(content))])
        return _Talk(words, mark, content + stdin, on_line)

    def _check(self, talk: "_Talk") -> None:
        if talk.said.done:
            return
        if talk.said.begun:
            raise _BrokenOff
        raise self.refusal(talk.noise())

    def _not_held(self, talk: "_Talk", path: Path) -> None:
        talk.ended.wait(END_S)
        self._check(talk)
        if talk.said.status == script.LOCKED:
            raise Held(path, talk.said.complaint())
        raise RolloutError(f"{self.name}: {path} cannot be locked: {talk.said.complaint().strip()}")


class _TooLong(Exception):
    def __init__(self, output: str) -> None:
        self.output = output


class _BrokenOff(Exception):
    """The shell began and never told an exit status."""


@dataclass(slots=True)
class _Said:
    """What came between the marks."""

    status: int = -1
    out: list[bytes] = field(default_factory=list[bytes])
    err: list[bytes] = field(default_factory=list[bytes])
    begun: bool = False
    done: bool = False

    def text(self) -> str:
        return b"".join(self.out).decode(errors="replace")

    def complaint(self) -> str:
        return b"".join(self.err).decode(errors="replace")


class _Talk:
    """One script being run: its process here, and what has been said so far."""

    def __init__(self, words: list[str], mark: str, given: bytes, on_line: OnLine | None) -> None:
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
        )
        self.said = _Said()
        self.ended = threading.Event()
        self._mark = mark.encode()
        self._on_line = on_line
        self._before: list[bytes] = []
        self._first = threading.Event()
        self._readers = [self._thread(self._read_out), self._thread(self._read_err)]
        self._thread(lambda: self.tell(given))

    def tell(self, data: bytes) -> bool:
        """Whether the other side still listens."""
        stream = self.process.stdin
        view = memoryview(data)
        try:
            while stream and view:
                view = view[stream.write(view) or 0 :]
        except (OSError, ValueError):
            return False
        return True

    def first_line(self, within_s: float) -> bool:
        """Whether anything was printed, once it was or the end has come."""
        self._first.wait(within_s)
        return bool(self.said.out)

    def noise(self) -> str:
        """What was said instead of beginning."""
        return b"".join(self._before).decode(errors="replace")

    def end(self) -> None:
        """Nothing of it runs any more, here or there, unless it said that it had ended."""
        if self.said.done:
            self.tell(b"\n")
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            # A daemon the command left behind may hold the streams open: its output is not ours.
            self.process.wait(timeout=2 if self.said.done else END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for reader in self._readers:
            reader.join(timeout=1)

    def _read_out(self) -> None:
        begun = False
        for line in _lines(self.process.stdout):
            if begun:
                self.said.out.append(line)
                self._first.set()
                self._told(line)
            elif line.rstrip(b"\n").endswith(self._mark):
                begun = True
            else:
                self._before.append(line)
        self._first.set()

    def _read_err(self) -> None:
        for line in _lines(self.process.stderr):
            text, mark, status = line.partition(self._mark)
            if not self.said.begun:
                self.said.begun = bool(mark)
                if not mark:
                    self._before.append(line)
                continue
            if text:
                self.said.err.append(text)
                self._told(text)
            if mark:
                self.said.status, self.said.done = int(status), True
                self.ended.set()
        self.ended.set()

    def _told(self, line: bytes) -> None:
        if self._on_line:
            self._on_line(line.decode(errors="replace").rstrip("\n"))

    def _thread(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


def _lines(stream: IO[bytes] | None) -> Iterable[bytes]:
    return open(stream.fileno(), "rb", closefd=False) if stream else ()


def _beat(talk: _Talk) -> None:
    """Signs of life until the talk ends."""
    while talk.tell(b".") and not talk.ended.wait(HEARTBEAT_S):
        pass


def _mark() -> str:
    return secrets.token_hex(12)
