"""A node reached through the standard streams of a shell: over SSH, or here as root by sudo."""

import contextlib
import hashlib
import logging
import secrets
import threading
from abc import abstractmethod
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from clients import script
from clients.command import Command, CommandFailed, Completed
from clients.files import File
from clients.lines import OnLine, handed_on
from clients.node import ConnectionLost, Entry, Held, LockLost, NodeError, failed
from clients.processes import Listener, Process
from clients.relay import Relay
from clients.running import require_not_cancelled, waited_for
from clients.session import Said, Shell
from clients.shell_lock import END_S, ShellLock
from clients.sockets import parse_processes, parse_sockets
from config.errors import RolloutError

log = logging.getLogger("rollout")

ANSWER_S = 60.0
IDLE_SHELLS = 4


class ShellNode:
    """What every such node does; kinds differ in how a shell is had and what is said if not."""

    def __init__(self, name: str, patience: float = 1.0) -> None:
        self.name = name
        self.patience = patience
        self._locks: list[ShellLock] = []
        self._keeping = threading.Lock()
        self._idle: list[Shell] = []

    @abstractmethod
    def shell(self, words: list[str]) -> list[str]:
        """The local command that runs these words on the node, connected if need be.

        Raises:
            NodeError: the node cannot be reached or does not let us in.
        """

    @abstractmethod
    def refusal(self, said: str) -> NodeError:
        """Why no shell was had, from what was said instead."""

    def keep_locks(self) -> None:
        """What a lost connection took along is held again, before anything else is done there.

        Raises:
            NodeError: the node is not back.
            LockLost: somebody else had a lock meanwhile.
        """
        with self._keeping:
            for lock in self._locks:
                if not lock.alive():
                    self._again(lock)

    def _again(self, lock: ShellLock) -> None:
        try:
            lock.take_again(ANSWER_S * self.patience)
        except Held:
            raise LockLost(
                f"{self.name}: the connection broke off, and another run took {lock.path} from "
                "this one\n"
                "  do: see in the history what that run did, then run this one again"
            ) from None
        log.warning("%s: the connection broke off; the lock is held again", self.name)

    def is_root(self) -> bool:
        return self._uid == 0

    def run(self, command: Command, on_line: OnLine | None = None) -> str:
        """As a local node does. Raises CommandFailed, and NodeError if the node is the trouble."""
        done = self.attempt(command, on_line)
        if done.status != 0:
            raise failed(command, done)
        return done.stdout

    def attempt(self, command: Command, on_line: OnLine | None = None) -> Completed:
        stdin = command.stdin.value.encode(errors="surrogateescape") if command.stdin else b""
        limit = command.within_s(self.patience)
        done = self._named(command, script.of(command), stdin, limit, on_line)
        return Completed(done.status, done.text(), done.complaint())

    def pipe(self, commands: Sequence[Command], on_line: OnLine | None = None) -> str:
        """As a local node does; of the errors only the order tells whose they are."""
        mark = secrets.token_hex(12)
        limit = max(command.within_s(self.patience) for command in commands)
        done = self._named(commands[-1], script.piped(commands, mark), b"", limit, on_line)
        statuses, errors = script.parse_piped(done.complaint(), mark)
        wrong = [(command, s) for command, s in zip(commands, statuses, strict=True) if s != 0]
        blamed = [(command, s) for command, s in wrong if s != script.LOST_ITS_READER]
        for command, status in blamed or wrong:
            raise CommandFailed(command, f"exit status {status}", errors, status=status)
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
        lock = ShellLock(path, holder, self._words, self.refusal)
        lock.take(ANSWER_S * self.patience)
        self._locks.append(lock)
        try:
            yield
        finally:
            self._locks.remove(lock)
            lock.release()

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
        return Relay(self._dial)

    def _dial(self) -> list[str]:
        self.keep_locks()
        return self.shell(["docker", "system", "dial-stdio"])

    @cached_property
    def _uid(self) -> int:
        return int(self._script("id -u"))

    def _named(
        self, command: Command, body: str, stdin: bytes, timeout_s: float, on_line: OnLine | None
    ) -> Said:
        """What was said of a command; its name is in what goes wrong."""
        try:
            return self._talk(body, stdin, timeout_s, on_line)
        except _TooLong as error:
            raise CommandFailed(command, command.too_long(timeout_s), error.output) from None
        except _BrokenOff:
            raise ConnectionLost(
                f"{self.name}: the connection broke off during: {command}\n"
                "  do: run it again when the node is back, it resumes"
            ) from None

    def _script(self, body: str, stdin: bytes = b"") -> str:
        """What a script of ours prints; it only fails for the reason it gives."""
        try:
            done = self._talk(body, stdin, ANSWER_S * self.patience)
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
    ) -> Said:
        self.keep_locks()
        require_not_cancelled()
        shell, known = self._shell()
        with handed_on(on_line) as tell, waited_for(partial(shell.end, END_S)):
            said = Said(tell)
            shell.begin(script.framed(body, said.mark, len(stdin)), said, stdin, last=bool(stdin))
            try:
                in_time = said.ended.wait(timeout_s)
            finally:
                if not said.complete:
                    shell.end(END_S)
            require_not_cancelled()
        if said.complete:
            self._put_back(shell, reusable=not stdin)
            return said
        if not in_time:
            raise _TooLong(said.complaint() or said.text())
        raise _BrokenOff if said.begun or known else self.refusal(shell.noise())

    def _shell(self) -> tuple[Shell, bool]:
        """A shell that nobody uses, and whether it has served before."""
        words = self._words()
        with contextlib.suppress(IndexError):
            while not (shell := self._idle.pop()).alive():
                shell.end(0)
            return shell, True
        return Shell(words), False

    def _put_back(self, shell: Shell, *, reusable: bool) -> None:
        if shell.confirm() and reusable and len(self._idle) < IDLE_SHELLS:
            self._idle.append(shell)
        else:
            shell.end(2)

    def _words(self) -> list[str]:
        return self.shell(["sh", "-c", script.LOOP])


class _TooLong(Exception):
    def __init__(self, output: str) -> None:
        self.output = output


class _BrokenOff(Exception):
    """The shell began and never told an exit status."""
