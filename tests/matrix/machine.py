"""A machine of its own on this one, for a command and all that it starts.

Its network reaches what this machine reaches, by an ordinary process; nothing of this machine's
network, firewall, Docker Engine or /etc is touched, and nothing of it outlives the command.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.matrix.suite import Suite
from tests.serving import serving

SCRIPT = Path(__file__).with_name("machine")
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
GATEWAY = ("slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback")
# Its data must lie on a file system that overlays can be made of; a socket's path must be short.
FOLDERS = Path("/var/tmp")


def run(
    command: Sequence[str],
    *,
    suite: Suite | None = None,
    redis: str = "redis",
    daemon: str = "{}",
    variables: Mapping[str, str] = {},
) -> int:
    """The exit status of the command, run on a new machine whose programs are the suite's."""
    folder = Path(tempfile.mkdtemp(prefix="rollout-machine-", dir=FOLDERS))
    folder.chmod(0o755)
    try:
        if suite:
            _lay_over_usr(suite, redis, folder / "usr")
        words = (*UNSHARE, SCRIPT, folder, suite.folder if suite else "", daemon, *command)
        with serving(words, env={**os.environ, **variables}) as machine:
            _until_it_has_a_network(machine)
            with serving((*GATEWAY, str(machine.pid), "tap0"), stdout=subprocess.DEVNULL):
                return machine.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_over_usr(suite: Suite, redis: str, folder: Path) -> None:
    (folder / "local/bin").mkdir(parents=True)
    for program in suite.programs(redis).iterdir():
        (folder / "local/bin" / program.name).symlink_to(program)
    for place in ("lib/postgresql", "share/postgresql") if suite.postgres else ():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).symlink_to(suite.usr / place)


def _until_it_has_a_network(machine: subprocess.Popen[bytes]) -> None:
    """Else the gateway's device would be made here."""
    own = Path("/proc/self/ns/net").readlink()
    while machine.poll() is None and Path(f"/proc/{machine.pid}/ns/net").readlink() == own:
        time.sleep(0.05)
