"""Commands of this machine run to their end: fed, read and ended by the thread that waits.

One loop does all of it, so that the limit holds whatever a command does with its streams: it may
leave its input unread, print without end, or leave a daemon behind that holds its output open.
"""

import codecs
import fcntl
import io
import os
import selectors
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from threading import Thread
from typing import IO

from clients.command import Command, CommandFailed, Completed
from clients.lines import OnLine, handed_on
from clients.running import end_groups, require_not_cancelled, waited_for
from clients.variables import variables

CHUNK = 1 << 16
# What a daemon that was left behind prints is not the command's: it is read for that long.
SILENT_S = 0.5
DAEMON_S = 2.0


def finish(
    commands: Sequence[Command], on_line: OnLine | None = None, *, patience: float = 1.0
) -> list[Completed]:
    """How each command ended; each reads what the one before it prints, the last one's is kept.

    Raises:
        CommandFailed: not all of them ended within the longest of their limits; none is left.
        FileNotFoundError: there is no such program.
        Cancelled: the run was.
    """
    children: list[_Child] = []

    def end() -> None:
        end_groups([child.process for child in list(children)])

    with handed_on(on_line) as tell, waited_for(end), ExitStack() as closing:
        try:
            for number, command in enumerate(commands, start=1):
                source = children[-1].process.stdout if children else None
                child = _Child(command, source, tell, last=number == len(commands))
                children.append(child)
                closing.callback(child.close)
            require_not_cancelled()
            limit = max(command.within_s(patience) for command in commands)
            _Loop(children, closing.enter_context(selectors.DefaultSelector())).run(limit)
            require_not_cancelled()
        finally:
            end()
        return [child.completed() for child in children]


class _Child:
    """One process with the ends of its streams that are here."""

    def __init__(
        self, command: Command, source: IO[bytes] | None, tell: OnLine, *, last: bool
    ) -> None:
        self.command = command
        given = command.stdin.value if command.stdin and source is None else ""
        self.process = subprocess.Popen(
            command.argv(),
            cwd=command.cwd,
            env=variables(command),
            stdin=source or (subprocess.PIPE if given else subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        if source:
            source.close()  # only the two processes hold the pipe now
        self.err = _Output(self.process.stderr, tell)
        self.out = _Output(self.process.stdout if last else None, tell)
        self.input = _Input(self.process.stdin, given)
        reading, writing = os.pipe()
        self.end = os.fdopen(reading, "rb", buffering=0)
        Thread(target=self._await, args=(writing,), daemon=True).start()

    def completed(self) -> Completed:
        return Completed(self.process.wait(), self.out.text(), self.err.text())

    def close(self) -> None:
        process = self.process
        for stream in (self.end, process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def _await(self, writing: int) -> None:
        """`end` is readable from the process's end on."""
        self.process.wait()
        os.close(writing)


class _Input:
    """What is still to be written to a process."""

    def __init__(self, stream: IO[bytes] | None, text: str) -> None:
        self.stream = stream
        self._left = memoryview(text.encode(errors="surrogateescape"))
        if stream:
            os.set_blocking(stream.fileno(), False)

    def write(self) -> bool:
        """Whether there is more to write."""
        assert self.stream  # noqa: S101 - nobody is asked to write without one
        try:
            self._left = self._left[os.write(self.stream.fileno(), self._left) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return bool(self._left)


class _Output:
    """Output of a stream so far; each whole line goes to the callback at once."""

    def __init__(self, stream: IO[bytes] | None, tell: OnLine) -> None:
        self.stream = stream
        self.owed = 0
        self._tell = tell
        self._parts: list[str] = []
        self._line: list[str] = []
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")(errors="replace"), translate=True
        )
        if stream:
            os.set_blocking(stream.fileno(), False)

    def read(self) -> bool:
        """Whether more may come."""
        assert self.stream  # noqa: S101 - nobody is asked to read without one
        try:
            data = os.read(self.stream.fileno(), CHUNK)
        except BlockingIOError:
            return True
        self.owed -= len(data)
        self._take(self._decoder.decode(data, final=not data))
        if not data and any(self._line):
            self._tell("".join(self._line))
        return bool(data)

    def owe(self) -> None:
        """What the pipe holds now is still to be read."""
        if self.stream and not self.stream.closed:
            held = fcntl.ioctl(self.stream, termios.FIONREAD, bytes(4))
            (self.owed,) = struct.unpack("i", held)

    def text(self) -> str:
        return "".join(self._parts)

    def _take(self, text: str) -> None:
        self._parts.append(text)
        whole, newline, rest = text.rpartition("\n")
        if newline:
            for line in "".join([*self._line, whole]).split("\n"):
                self._tell(line)
            self._line = []
        self._line.append(rest)


class _Loop:
    """Serves the streams of all children until they have ended and their output is read."""

    def __init__(self, children: Sequence[_Child], selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._running = list(children)
        self._outputs = [output for child in children for output in (child.out, child.err)]
        for output in self._outputs:
            if output.stream:
                selector.register(output.stream, selectors.EVENT_READ, output.read)
        for child in children:
            selector.register(child.end, selectors.EVENT_READ, partial(self._ended, child))
            if child.input.stream:
                selector.register(child.input.stream, selectors.EVENT_WRITE, child.input.write)

    def run(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while self._running:
            self._serve(deadline - time.monotonic())
            if self._running and time.monotonic() >= deadline:
                late = self._running[0]
                said = late.err.text() or late.out.text()
                raise CommandFailed(late.command, late.command.too_long(within_s), said)
        self._drain()

    def _serve(self, within_s: float) -> bool:
        """Whether anything happened within that time."""
        events = self._selector.select(max(0.0, within_s))
        for key, _ in events:
            if not key.data():
                self._selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
        return bool(events)

    def _ended(self, child: _Child) -> bool:
        self._running.remove(child)
        return False

    def _drain(self) -> None:
        """All that the ended ones printed is in the pipes: that much is read, whatever follows."""
        for output in self._outputs:
            output.owe()
        until = time.monotonic() + DAEMON_S
        while self._selector.get_map():
            left = until - time.monotonic()
            happened = self._serve(min(SILENT_S, left))
            if not happened or (left <= 0 and all(each.owed <= 0 for each in self._outputs)):
                return
