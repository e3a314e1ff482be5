"""A real SSH server on loopback, with keys and a configuration of its own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread, Timer


@dataclass
class SshServer:
    """`config` is a client's, with these aliases of the one server:

    `node` logs in as root, `worker` as a user who may use sudo, `guest` as one who may not
    (and is greeted with noise);
    `stranger` has a key the server does not know, `unknown` no host key of it, `changed` another
    one; `closed` asks where nobody listens, `nowhere` has no address.
    """

    folder: Path
    address: str
    port: int
    words: Sequence[str]
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.serve()

    def serve(self) -> None:
        """Returns when it lets people in."""
        log = (self.folder / "sshd.log").open("ab")
        self.process = subprocess.Popen(self.words, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((self.address, self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.folder
                time.sleep(0.02)
            else:
                return

    @property
    def config(self) -> str:
        return str(self.folder / "config")

    def children(self) -> list[int]:
        """The server's processes that serve a connection."""
        return _children().get(self.process.pid, [])

    def running(self) -> dict[int, str]:
        """The command line of each process below the server, the last ones first."""
        children = _children()
        return {pid: _line(pid) for pid in _below(self.process.pid, children)}

    def drop_connections(self) -> None:
        """Kill what serves them, as when a machine goes away."""
        for pid, line in self.running().items():
            if "sshd" in line:
                with suppress(ProcessLookupError):  # it may be gone by itself
                    os.kill(pid, signal.SIGKILL)

    def away(self, seconds: float) -> Thread:
        """Every connection is reset, and new ones are refused, until it is back."""
        self.stop()
        back = Timer(seconds, self.serve)
        back.start()
        return back

    def stop(self) -> None:
        self.drop_connections()
        self.process.terminate()
        self.process.wait(10)


def start(
    folder: Path,
    port: int,
    users: Mapping[str, str],
    *,
    address: str = "127.0.0.1",
    within: Sequence[str] = (),
    env: str = "",
) -> SshServer:
    """Serve at the address; `users` are the OS users of the aliases worker and guest.

    `within`: what runs the server in a network of its own. `env`: lines of its configuration.
    """
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "key", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    (folder / "known_hosts").write_text(f"[{address}]:{port} {_public(folder / 'host')}\n")
    (folder / "other_hosts").write_text(f"[{address}]:{port} {_public(folder / 'other')}\n")
    (folder / "sshd_config").write_text(_server(folder, address, port, env, users["guest"]))
    (folder / "config").write_text(_client(folder, address, port, users))
    words = [*within, "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
    return SshServer(folder, address, port, words)


def _server(folder: Path, address: str, port: int, env: str, guest: str) -> str:
    return f"""
Port {port}
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
AcceptEnv LOG_LEVEL XDG_SEEN
{env}
Match User {guest}
    ForceCommand echo welcome; echo beware >&2; printf hello; eval "$SSH_ORIGINAL_COMMAND"
"""


def _client(folder: Path, address: str, port: int, users: Mapping[str, str]) -> str:
    names = {"node": "root", "closed": "root", **users}
    aliases = "".join(f"Host {alias}\n    User {user}\n" for alias, user in names.items())
    return f"""{aliases}
Host closed
    Port 1
Host nowhere
    HostName no-such-host.invalid
Host stranger
    IdentityFile {folder}/other
Host unknown
    UserKnownHostsFile /dev/null
Host changed
    UserKnownHostsFile {folder}/other_hosts
Host * !stranger
    IdentityFile {folder}/key
Host *
    HostName {address}
    Port {port}
    User root
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    SetEnv LOG_LEVEL=AMBIENT XDG_SEEN=kept
"""


def _public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def _children() -> dict[int, list[int]]:
    """The processes that each process started."""
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(stat.parent.name))
    return found


def _below(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    return [x for child in children.get(pid, []) for x in (*_below(child, children), child)]


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
