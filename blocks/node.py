"""A machine commands run on. The only place that starts processes."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from blocks import files
from blocks.command import Command, CommandFailed, Completed
from blocks.files import File

log = logging.getLogger("rollout")

NEEDED = ("PATH", "HOME", "LANG", "XDG_", "DOCKER_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
          "http_proxy", "https_proxy", "no_proxy")  # fmt: skip


class Node(Protocol):
    def run(self, command: Command, on_line: Callable[[str], None] | None = None) -> str: ...
    def attempt(self, command: Command) -> Completed: ...
    def spawn(self, command: Command, log_file: Path) -> int: ...
    def which(self, program: str) -> str | None: ...
    def read(self, path: Path) -> bytes | None: ...
    def mode(self, path: Path) -> int | None: ...
    def write(self, file: File) -> None: ...


class LocalNode:
    """This machine."""

    def run(self, command: Command, on_line: Callable[[str], None] | None = None) -> str:
        """Return stdout; every line of either stream goes to `on_line` as it comes.

        Raises:
            CommandFailed: non-zero exit, missing program, or no end within
                `command.timeout_s` seconds (then its whole process group is killed).
        """
        done = self._finish(command, on_line)
        if done.status != 0:
            raise CommandFailed(command, f"exit status {done.status}", done.stderr or done.stdout)
        return done.stdout

    def attempt(self, command: Command) -> Completed:
        """How the command ended; a missing program is status 127, as a shell reports it."""
        try:
            return self._finish(command, None)
        except FileNotFoundError:
            return Completed(127, "", f"{command.words[0]}: not found")

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

    def write(self, file: File) -> None:
        files.write(file)

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
            process.wait(timeout=command.timeout_s)
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
