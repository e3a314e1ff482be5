"""The machines of the double: a directory for each, and the processes started from there.

A path like /etc/nginx is meant inside the machine's directory. A machine is reachable if this
computer has its address.
"""

import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.inventory import Inventory

SETTINGS = ".double.json"


class Unreachable(Exception):
    pass


class NoSudo(Exception):
    pass


@dataclass(frozen=True)
class World:
    """Where the machines lie, whose programs are used, which Pigsty this plays."""

    folder: Path
    programs: Path
    user: str
    version: str

    @property
    def modern(self) -> bool:
        """Since 3.0 playbooks no longer purge, and know nginx_reload."""
        return not self.version.startswith(("v1.", "v2."))

    def host(self, name: str, inventory: Inventory, given: dict[str, Any]) -> "Host":
        known = inventory.hosts.get(name, inventory.variables)
        return Host(self, name, {**known, **given}, inventory)


def load_world(tree: Path) -> World:
    found = json.loads((tree / SETTINGS).read_text())
    return World(Path(found["folder"]), Path(found["programs"]), found["user"], found["version"])


@dataclass(frozen=True)
class Host:
    """One machine, with the variables the inventory gives it."""

    world: World
    name: str
    vars: dict[str, Any]
    inventory: Inventory = field(repr=False)

    @property
    def root(self) -> Path:
        return self.world.folder / self.name

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def get(self, name: str, default: Any = None) -> Any:
        value = self.vars.get(name)
        return default if value is None else value

    def port(self, name: str, default: int) -> int:
        return int(self.get(name, default))

    def require_reachable(self) -> None:
        if self.name != "localhost":
            with socket.socket() as probe:
                try:
                    probe.bind((self.name, 0))
                except OSError:
                    raise Unreachable(
                        f"Failed to connect to the host via ssh: ssh: connect to host {self.name} "
                        "port 22: No route to host"
                    ) from None
        if self.path("/etc/no-sudo").exists():
            raise NoSudo

    def write(self, absolute: str, content: str, mode: int = 0o644) -> bool:
        """Whether the file changed."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_text() == content and path.stat().st_mode & 0o777 == mode:
            return False
        path.touch(mode=mode)
        path.chmod(mode)
        path.write_text(content)
        return True

    def down(self, service: str) -> bool:
        """Whether a test has taken the service down."""
        return self.path(f"/services/{service}.down").exists()

    def note(self, event: str) -> None:
        """Remembers what no process shows, like a restart of Docker."""
        self.path("/").mkdir(parents=True, exist_ok=True)
        with self.path("/journal").open("a") as journal:
            journal.write(f"{event}\n")


def run(words: Sequence[str | Path], user: str | None = None) -> subprocess.CompletedProcess[str]:
    """A program's end; the caller's directory and file descriptors stay with the caller."""
    return subprocess.run(
        [str(word) for word in words],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **as_user(user),
    )


def as_user(user: str | None) -> dict[str, Any]:
    if user is None or os.geteuid() != 0:
        return {}
    found = pwd.getpwnam(user)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def pid_in(path: Path) -> int | None:
    """The live process a pid file names."""
    try:
        pid = int(path.read_text().split()[0])
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, ValueError, IndexError):
        return None
    return None if state in "ZX" else pid


def end(path: Path, how: signal.Signals = signal.SIGTERM, within_s: float = 10) -> None:
    """The process a pid file names is gone."""
    if (pid := pid_in(path)) is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
    deadline = time.monotonic() + within_s
    while pid_in(path) == pid and time.monotonic() < deadline:
        time.sleep(0.02)
    if pid_in(path) == pid:
        os.kill(pid, signal.SIGKILL)


def answers(host: str, port: int, within_s: float) -> bool:
    """Whether somebody accepts connections there in time."""
    deadline = time.monotonic() + within_s
    while True:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
