"""A node over SSH, by the system's own OpenSSH client and what the user has set for it."""

import atexit
import os
import shlex
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clients import files
from clients.command import PATIENCE
from clients.files import File
from clients.node import NodeError, NodeRefused, NodeUnreachable
from clients.shell import ShellNode

CONNECT_S = 30.0
IDLE_S = 300
OPTIONS = (
    "BatchMode=yes",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ConnectTimeout=15",
    "RemoteCommand=none",
    "RequestTTY=no",
    "PermitLocalCommand=no",
    "LogLevel=INFO",
)
_MUX = ("mux_client_", "Control socket", "ControlSocket")

# What OpenSSH says → what that means, and what to do about it.
_REFUSALS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that is known",
        "find out why; if the machine is a new one, remove the old key: ssh-keygen -R HOST",
    ),
    (
        "Host key verification failed",
        "its host key is not known",
        "connect once by hand and compare the key, or add it to known_hosts",
    ),
    ("Permission denied (", "it does not accept our key", "give ssh a key the node knows"),
    ("Too many authentication failures", "it does not accept our keys", "set IdentityFile for it"),
    ("Bad configuration option", "ssh does not understand its configuration", "mend that file"),
    ("Bad owner or permissions", "ssh does not trust its configuration", "chmod 600 that file"),
    ("Can't open user config file", "nodes.ssh_config names no file", "mend the path"),
    ("sudo: ", "sudo -n does not let this user run commands", "allow it NOPASSWD in sudoers"),
    ("This account is currently not available", "the user has no shell", "take another user"),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key, and lines of known_hosts; empty: those of the user."""

    private_key: str = field(repr=False)
    known_hosts: str = ""


class SshNode(ShellNode):
    """One connection, shared by everything this process does there; it opens when needed."""

    def __init__(
        self,
        destination: str,
        *,
        sudo: bool = False,
        config: str = "",
        identity: Identity | None = None,
        patience: float = 1.0,
    ) -> None:
        super().__init__(destination, patience)
        self._identity = identity
        self._sudo = sudo
        self._config = config
        self._opening = threading.Lock()
        self._forwards: dict[tuple[str, int], int] = {}
        # Short, since a socket's path holds 107 characters.
        self._folder = tempfile.TemporaryDirectory(prefix="rollout-", dir="/tmp")
        self._socket = Path(self._folder.name) / "ssh"
        self._log = Path(self._folder.name) / "log"
        atexit.register(self.close)

    def shell(self, words: list[str]) -> list[str]:
        self._open()
        if self._sudo:
            # Where we are root already, sudo may not even be installed.
            test = 'test "$(id -u)" = 0 || set -- sudo -n -- "$@"; exec "$@"'
            words = ["sh", "-c", test, "sh", *words]
        return self._ssh("-T", "--", self.name, f"exec {shlex.join(words)}")

    def refusal(self, said: str) -> NodeError:
        return explain(self.name, said)

    def reach(self, host: str, port: int) -> tuple[str, int]:
        """An address on loopback that leads there, kept as long as the connection."""
        self.keep_locks()
        self._open()
        with self._opening:
            if (host, port) not in self._forwards:
                self._forwards[host, port] = self._forward(host, port)
            return "127.0.0.1", self._forwards[host, port]

    def close(self) -> None:
        if self._alive():
            subprocess.run(
                self._ssh("-O", "exit", "--", self.name), capture_output=True, check=False
            )

    def _open(self) -> None:
        with self._opening:
            if self._alive():
                return
            self._forwards.clear()
            self._socket.unlink(missing_ok=True)
            self._log.write_bytes(b"")
            options = ("ControlMaster=yes", f"ControlPersist={IDLE_S}", "ClearAllForwardings=yes")
            words = ["-N", "-f", "-E", str(self._log)]
            for option in options:
                words += ["-o", option]
            self._connect(self._ssh(*self._key(), *words, "--", self.name))

    def _key(self) -> list[str]:
        """Options for the key that is given; it lies beside the socket as long as we live."""
        if self._identity is None:
            return []
        folder = Path(self._folder.name)
        texts = {"key": self._identity.private_key, "known_hosts": self._identity.known_hosts}
        for name, text in texts.items():
            if text and not (folder / name).exists():
                files.write(File(folder / name, f"{text.strip()}\n".encode(), mode=0o600))
        words = ["-i", str(folder / "key"), "-o", "IdentitiesOnly=yes"]
        if self._identity.known_hosts:
            words += ["-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
        return words

    def _connect(self, words: list[str]) -> None:
        """What goes wrong is in the log: the process that stays keeps no stream of ours."""
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=CONNECT_S * self.patience,
                start_new_session=True,
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
                check=False,
            )
        except FileNotFoundError:
            advice = "install the package openssh-client"
            raise NodeRefused(f"{self.name}: there is no ssh here\n  do: {advice}") from None
        except subprocess.TimeoutExpired:
            why = f"no connection within {CONNECT_S * self.patience:g} s"
            raise _unreachable(self.name, f"{why}; {PATIENCE} raises this limit") from None
        if done.returncode != 0:
            raise explain(self.name, self._log.read_text(errors="replace"))

    def _alive(self) -> bool:
        """Whether the connection's process still listens."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self._socket))
            return True
        return False

    def _forward(self, host: str, port: int) -> int:
        """A port of loopback, chosen here: OpenSSH lets only a remote one choose itself."""
        said = ""
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                chosen: int = free.getsockname()[1]
            way = f"127.0.0.1:{chosen}:{host}:{port}"
            words = self._ssh("-O", "forward", "-L", way, "--", self.name)
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return chosen
            said = done.stderr
        raise NodeRefused(f"{self.name}: no way through it to {host}:{port}: {said.strip()}")

    def _ssh(self, *words: str) -> list[str]:
        command = ["ssh", "-S", str(self._socket)]
        if self._config:
            command += ["-F", self._config]
        for option in OPTIONS:
            command += ["-o", option]
        return [*command, *words]


def explain(name: str, said: str) -> NodeError:
    """What OpenSSH or sudo said instead of letting us in, as one error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line.removeprefix("ssh: ") for line in lines if not line.startswith(_MUX)]
    for words, meaning, advice in _REFUSALS:
        if found := [line for line in lines if words in line]:
            return NodeRefused(f"{name}: {meaning}: {found[0]}\n  do: {advice}")
    return _unreachable(name, lines[-1] if lines else "ssh ended without a word")


def _unreachable(name: str, why: str) -> NodeUnreachable:
    return NodeUnreachable(f"{name} cannot be reached: {why}\n  do: try `ssh {name}` by hand")
