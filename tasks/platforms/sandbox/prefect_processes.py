"""Processes of the sandbox's own Prefect server and worker, found by what they are.

A number in a file proves nothing: two starts at once leave the one that has died, and after a
reboot it may be any program's.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from clients.processes import Process, listeners, open_files, owner, processes, variables
from tasks.platforms.sandbox.daemons import survivors

STOP_S = 15.0


def running(home: Path, name: str) -> list[Process]:
    """Servers or workers that were started with this directory as their PREFECT_HOME.

    Only by this user or the directory's owner: a process of another user may call itself anything,
    and would be handed the password.
    """
    trusted = {os.geteuid(), *([home.stat().st_uid] if home.exists() else [])}
    return [
        found
        for found in processes()
        if f"/prefect {name} start" in found.title
        and owner(found.pid) in trusted
        and variables(found.pid).get("PREFECT_HOME") == str(home)
    ]


def listener(home: Path, port: int) -> Process | None:
    """The server of that directory which holds the port, None if no such one does."""
    sockets = {f"socket:[{found.inode}]" for found in listeners([port])}
    servers = running(home, "server") if sockets else []
    return next((found for found in servers if sockets & set(open_files(found.pid))), None)


def stop(victims: Sequence[Process]) -> None:
    """End them with all they have started: asked first, killed after `STOP_S`."""
    for victim in victims:
        _signal(victim, signal.SIGTERM)
    for victim in survivors(victims, STOP_S):
        _signal(victim, signal.SIGKILL)


def _signal(victim: Process, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        leads = os.getpgid(victim.pid) == victim.pid
        (os.killpg if leads else os.kill)(victim.pid, how)
