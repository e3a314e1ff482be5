"""A shell elsewhere that is told one script after the other, and what it says to each."""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from typing import IO

from clients import script
from clients.lines import OnLine, ignored
from clients.running import await_end, await_group

HEARTBEAT_S = 15.0


class Said:
    """What came between the marks of one script.

    A mark may follow text without a line's end: what is before it still counts. `on_line` is
    called by the thread that reads, and must return at once.
    """

    def __init__(self, on_line: OnLine = ignored) -> None:
        self.mark = secrets.token_hex(12)
        self.status = -1
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        self.ended = threading.Event()
        self.first = threading.Event()
        self._marks = {"out": 0, "err": 0}
        self._on_line = on_line

    @property
    def begun(self) -> bool:
        return any(self._marks.values())

    @property
    def complete(self) -> bool:
        return all(count > 1 for count in self._marks.values())

    def text(self) -> str:
        return b"".join(self.out).decode(errors="replace")

    def complaint(self) -> str:
        return b"".join(self.err).decode(errors="replace")

    def hear(self, stream: str, line: bytes) -> bool:
        """Take in a line; whether it belongs to the script at all."""
        text, marked, rest = line.partition(self.mark.encode())
        inside = self._marks[stream] == 1
        if inside and text:
            (self.out if stream == "out" else self.err).append(text)
            self.first.set()
            self._on_line(text.decode(errors="replace").rstrip("\n"))
        if marked:
            self._marks[stream] += 1
            if inside and stream == "err":
                self.status = int(rest)
            if self.complete:
                self.close()
        return inside or bool(marked)

    def close(self) -> None:
        """Nothing more will be said."""
        self.first.set()
        self.ended.set()


class Shell:
    """One such shell: its process here, and its streams."""

    def __init__(self, words: list[str]) -> None:
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
        )
        self._said: Said | None = None
        self._noise: list[bytes] = []
        self._open = 2
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        for name, stream in (("out", self.process.stdout), ("err", self.process.stderr)):
            threading.Thread(target=self._listen, args=(name, stream), daemon=True).start()

    def alive(self) -> bool:
        return self._open == 2 and self.process.poll() is None  # noqa: PLR2004

    def noise(self) -> str:
        """What was said to no script of ours: a greeting, or why there is no shell."""
        lines = (line.rstrip(b"\n") for line in self._noise)  # the last of a stream may have none
        return b"\n".join(lines).decode(errors="replace")

    def begin(self, text: str, said: Said, stdin: bytes = b"", *, last: bool) -> None:
        """Tell it a script, and that we are here until it ends; after the `last` one it ends."""
        content = text.encode(errors="surrogateescape")
        with self._lock:
            self._said = said
            if not self._open:
                said.close()
        given = script.request(len(content), last=last).encode() + content + stdin
        threading.Thread(target=self._feed, args=(given, said), daemon=True).start()

    def confirm(self) -> bool:
        """Whether it still listens, told that the script came to its end."""
        with self._telling:
            return self._tell(b"\n")

    def _feed(self, given: bytes, said: Said) -> None:
        self._tell(given)
        while not said.ended.wait(HEARTBEAT_S) and self._beat(said):
            pass

    def _beat(self, said: Said) -> bool:
        """A sign of life; none is left over for the next script."""
        with self._telling:
            return not said.ended.is_set() and self._tell(b".")

    def _tell(self, data: bytes) -> bool:
        """Whether the other side still listens."""
        stream, view = self.process.stdin, memoryview(data)
        try:
            while stream and view:
                view = view[stream.write(view) or 0 :]
        except (OSError, ValueError):
            return False
        return True

    def end(self, within_s: float) -> None:
        """The shell is gone, and whatever it has not finished is asked to end, then killed there.

        Both take until it is gone, `within_s` at most.
        """
        deadline = time.monotonic() + within_s
        unfinished = self._said is not None and not self._said.complete
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            # A daemon that a command left behind may hold the streams open: it is not ours.
            await_end(self.process, within_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # A shell on this machine, of another user, is gone before the commands it began.
        if unfinished:
            await_group(self.process.pid, deadline)

    def _listen(self, name: str, stream: IO[bytes]) -> None:
        for line in _lines(stream):
            with self._lock:
                said = self._said
            if said is None or not said.hear(name, line):
                self._noise.append(line)
        with self._lock:
            self._open -= 1
            if self._said and not self._open:
                self._said.close()


def _lines(stream: IO[bytes]) -> Iterable[bytes]:
    """Lines as they come; unlike the process's own stream it reads many bytes at a time."""
    return open(stream.fileno(), "rb", closefd=False)
