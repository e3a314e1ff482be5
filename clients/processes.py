"""What runs on this machine and who listens where, read from /proc."""

import ipaddress
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"
_DEAD = "ZX"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A running process. `title` is its command line; `started` seconds since the epoch."""

    pid: int
    parent: int
    name: str
    title: str
    started: float


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket."""

    address: str
    port: int
    inode: str


def process(pid: int) -> Process | None:
    """The live process with this id; None if there is none (a zombie is none)."""
    try:
        stat = _read(f"{PROC}/{pid}/stat").decode(errors="replace")
        title = _read(f"{PROC}/{pid}/cmdline")
    except OSError:
        return None
    # The name stands in parentheses and may itself contain spaces and parentheses.
    name, rest = stat[stat.index("(") + 1 :].rsplit(")", 1)
    fields = rest.split()
    if fields[0] in _DEAD:
        return None
    text = title.replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid, int(fields[1]), name, text, _since_epoch(int(fields[19])))


def processes() -> Iterator[Process]:
    """Every live process."""
    for name in os.listdir(PROC):  # noqa: PTH208 - as in _read
        if name.isdigit() and (found := process(int(name))):
            yield found


def group_lives(group: int) -> bool:
    """Whether a process of this group is left that is no zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return any(_group(int(name)) == group for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208


def variables(pid: int) -> dict[str, str]:
    """The environment the process was started with; empty where we may not look."""
    try:
        text = _read(f"{PROC}/{pid}/environ").decode(errors="replace")
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def owner(pid: int) -> int | None:
    """The user id it runs as, None if it has ended."""
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return None


def open_files(pid: int) -> list[str]:
    """What the process has open, its working directory included, as /proc names it.

    Empty for a process of another user, unless we are root.
    """
    found: list[str] = []
    folder = f"{PROC}/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208 - as in _read
    except OSError:
        return []
    for entry in (f"{PROC}/{pid}/cwd", *(f"{folder}/{name}" for name in names)):
        try:
            found.append(os.readlink(entry))  # noqa: PTH115
        except OSError:
            continue
    return found


def listeners(ports: Iterable[int]) -> list[Listener]:
    """The listening sockets on these ports, IPv4 and IPv6."""
    wanted = set(ports)
    found: list[Listener] = []
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, port = fields[1].rsplit(":", 1)
            if fields[3] == _LISTEN and int(port, 16) in wanted:
                found.append(Listener(_address(address), int(port, 16), fields[9]))
    return found


def holders(sockets: Iterable[Listener]) -> dict[str, Process]:
    """By inode, the oldest process that holds each socket; what we may not see is missing."""
    wanted = {f"socket:[{socket.inode}]": socket.inode for socket in sockets}
    found: dict[str, Process] = {}
    if not wanted:
        return found
    # Kernel threads have no command line, and no sockets.
    programs = [candidate for candidate in processes() if candidate.title]
    for candidate in sorted(programs, key=lambda candidate: candidate.started):
        for target in wanted.keys() & set(open_files(candidate.pid)):
            found.setdefault(wanted[target], candidate)
        if len(found) == len(wanted):
            break
    return found


def _group(pid: int) -> int | None:
    """The group of a live process."""
    try:
        state, _, group = (
            _read(f"{PROC}/{pid}/stat").decode(errors="replace").rsplit(")", 1)[1].split()[:3]
        )
    except OSError:
        return None
    return None if state in _DEAD else int(group)


def _read(path: str) -> bytes:
    """There are hundreds of them: a Path for each takes longer than reading it."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def _since_epoch(ticks: int) -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS


def _address(text: str) -> str:
    """An address as /proc/net writes it: 32-bit words, each in the machine's byte order."""
    raw = bytes.fromhex(text)
    words = [raw[i : i + 4][::-1] for i in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))
