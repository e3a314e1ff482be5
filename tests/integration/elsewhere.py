"""A second machine on this one: a network and mounts of its own, its Docker Engine, its sshd."""

import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.integration import sshd

HERE, THERE = "172.30.62.1", "172.30.62.2"
BRIDGE = "172.30.63.1/24"
NAME = "rollout-second"


@contextmanager
def second(folder: Path, users: Mapping[str, str], covered: Path) -> Generator[sshd.SshServer]:
    """Reached at THERE; what lies in the folder `covered` here is not seen there."""
    with _network():
        within = ["nsenter", f"--net=/run/netns/{NAME}", f"--mount={folder}/mounts"]
        _mounts(folder, covered)
        socket = f"unix://{folder}/docker.sock"
        words = ["dockerd", "--host", socket, "--data-root", f"{folder}/data", "--bip", BRIDGE]
        words += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        with (folder / "dockerd.log").open("wb") as log:
            engine = subprocess.Popen([*within, *words], stderr=log)
        server: sshd.SshServer | None = None
        try:
            _until_it_answers(socket)
            env = f"SetEnv DOCKER_HOST={socket}"
            server = sshd.start(folder, 22022, users, address=THERE, within=within, env=env)
            yield server
        finally:
            if server:
                server.stop()
            engine.terminate()
            engine.wait(30)
            _unmount(folder)


@contextmanager
def _network() -> Generator[None]:
    inside = ("ip", "-n", NAME)
    _run("ip", "netns", "add", NAME)
    try:
        _run("ip", "link", "add", NAME, "type", "veth", "peer", "name", "eth0", "netns", NAME)
        _run("ip", "addr", "add", f"{HERE}/24", "dev", NAME)
        _run("ip", "link", "set", NAME, "up")
        _run(*inside, "addr", "add", f"{THERE}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _run(*inside, "link", "set", device, "up")
        _run(*inside, "route", "add", "default", "via", HERE)
        yield
    finally:
        _run("ip", "netns", "del", NAME)


def _mounts(folder: Path, covered: Path) -> None:
    """A namespace of mounts, kept by a file, in which `covered` is another folder."""
    (folder / "instead").mkdir()
    (folder / "mounts").touch()
    _run("mount", "--bind", str(folder), str(folder))
    _run("mount", "--make-private", str(folder))
    script = 'mount --bind "$0" "$1"'
    words = ("unshare", f"--mount={folder}/mounts", "--propagation", "slave", "sh", "-c", script)
    _run(*words, str(folder / "instead"), str(covered))


def _unmount(folder: Path) -> None:
    for place in (folder / "mounts", folder):
        with suppress(subprocess.CalledProcessError):
            _run("umount", "--lazy", str(place))


def _until_it_answers(socket: str) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run(["docker", "--host", socket, "version"], capture_output=True).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
