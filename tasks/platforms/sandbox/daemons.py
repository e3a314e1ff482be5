"""Servers of the sandbox that put themselves into the background: found, ended, given a port."""

import errno
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from operator import not_
from pathlib import Path

from clients.processes import Process, holders, listeners, process, processes
from clients.waiting import until
from config.errors import StepError


@dataclass(frozen=True, slots=True)
class Daemon:
    """A server recognised by its program's name and its working directory.

    A pid file alone proves nothing: after a reboot the number may be anybody's.
    """

    program: str
    folder: Path
    pid_file: Path

    def running(self) -> Process | None:
        """The server, None if it does not run."""
        try:
            pid = int(self.pid_file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        found = process(pid)
        return found if found and self._is_ours(found) else None

    def alive(self) -> bool:
        return self.running() is not None

    def end_orphans(self, how: signal.Signals, within_s: float = 10) -> None:
        """No process of a server that was killed is left: it would hold ports and files."""
        ours = [found for found in processes() if self._is_ours(found)]
        end(ours, how, within_s)

    def _is_ours(self, found: Process) -> bool:
        if found.name != self.program:
            return False
        try:
            return Path(f"/proc/{found.pid}/cwd").readlink() == self.folder
        except OSError:
            return False


def end(victims: Sequence[Process], how: signal.Signals, within_s: float) -> None:
    """None of these processes is left: asked first, killed when the time is over."""
    for victim in victims:
        _signal(victim, how)
    for victim in survivors(victims, within_s):
        _signal(victim, signal.SIGKILL)


def survivors(victims: Sequence[Process], within_s: float) -> list[Process]:
    """Those that still live after `within_s` seconds; returns when none does."""
    return until(
        lambda: [victim for victim in victims if is_alive(victim)],
        not_,
        within_s=within_s,
        every_s=0.02,
    )


def is_alive(known: Process) -> bool:
    now = process(known.pid)
    return now is not None and now.name == known.name


def program_of(found: Process) -> Path | None:
    """The file it executes; None if it has just ended. A deleted one's name says so."""
    try:
        return Path(f"/proc/{found.pid}/exe").readlink()
    except OSError:
        return None


def require_free(step: str, addresses: Sequence[str], port: int) -> None:
    """A server can listen there now.

    Raises:
        StepError: the address is not this machine's, or somebody holds the port; says who.
    """
    for address in addresses:
        family, kind, _, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(target)
            except OSError as error:
                raise _cannot_listen(step, address, port, error) from None


def require_address(step: str, addresses: Sequence[str]) -> None:
    """This machine has the addresses. Raises StepError as `require_free` does."""
    require_free(step, addresses, 0)


def is_here(address: str) -> bool:
    """Whether this machine has the address, or the name leads to it."""
    try:
        require_address("", [address])
    except (StepError, OSError):
        return False
    return True


def listens(addresses: Sequence[str], port: int) -> bool:
    """Whether somebody listens on the port at every one of the addresses."""
    found = {listener.address for listener in listeners([port])}
    return "0.0.0.0" in found or {socket.gethostbyname(name) for name in addresses} <= found  # noqa: S104


def _cannot_listen(step: str, address: str, port: int, error: OSError) -> StepError:
    if error.errno == errno.EADDRNOTAVAIL:
        return StepError(
            step,
            f"this machine has no address {address}",
            tried=f"listening on {address}:{port}",
            advice="if it is Docker's bridge, start Docker, or name the address that the bridge "
            "has (ip -brief address show docker0) in the environment's file",
        )
    found = holders(listeners([port])).values()
    names = dict.fromkeys(f"{held.name} (pid {held.pid})" for held in found)
    who = ", ".join(names) or "another process"
    return StepError(
        step,
        f"port {port} on {address} is taken by {who}"
        if error.errno == errno.EADDRINUSE
        else f"cannot listen on {address}:{port}: {error.strerror}",
        advice="end it, or set another port in the environment's file",
    )


def _signal(victim: Process, how: signal.Signals) -> None:
    try:
        os.kill(victim.pid, how)
    except ProcessLookupError:
        return
