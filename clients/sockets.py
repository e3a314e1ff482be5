"""What `ss` and `ps` say of a machine's sockets and processes."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace

from clients.processes import Listener, Process

_HOLDER = re.compile(r'"([^"]*)",pid=(\d+)')


def parse_processes(text: str) -> list[Process]:
    """From `ps -eww -o pid=,ppid=,etimes=,args=`; seconds of running time tell the start."""
    found: list[Process] = []
    now = time.time()
    for line in text.splitlines():
        pid, parent, seconds, title = line.split(None, 3)
        name = title.split()[0].rpartition("/")[2]
        found.append(Process(int(pid), int(parent), name, title, now - int(seconds)))
    return found


def parse_sockets(
    text: str, ports: set[int], known: Mapping[int, Process]
) -> list[tuple[Listener, Process | None]]:
    """From `ss -Hltnp`: those on the ports, each with its oldest holder where one is shown."""
    found: list[tuple[Listener, Process | None]] = []
    for line in text.splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if not port.isdigit() or int(port) not in ports:
            continue
        holders = [_process(name, int(pid), known) for name, pid in _HOLDER.findall(line)]
        oldest = min(holders, key=lambda process: process.started, default=None)
        found.append((Listener(address.strip("[]"), int(port), ""), oldest))
    return found


def _process(name: str, pid: int, known: Mapping[int, Process]) -> Process:
    if pid in known:
        return replace(known[pid], name=name)
    return Process(pid, 0, name, "", time.time())
