"""Docker Engine of a later Debian than the machine's, to be run beside its own.

Its programs are unpacked once, into a cache; where they run, their folder lies over /usr in a
mount namespace, so that they find every other path of the machine as it is.
"""

import fcntl
import platform
import shutil
import subprocess
from pathlib import Path

from tasks.images.stand_ins import apt_sources
from tasks.tools import debootstrap

SUITE = "forky"
CACHE = Path("/var/cache/dify-rollout")
PACKAGES = ("docker.io", "containerd", "runc", "iptables")
MOUNTED = 'mount --make-rprivate / && mount --bind "$0" /usr && exec "$@"'


def programs() -> Path:
    """The folder that is to lie over /usr; about 20 s the first time, and 360 MB."""
    CACHE.mkdir(parents=True, exist_ok=True)
    made = CACHE / f"usr-{SUITE}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            tree = CACHE / f"{SUITE}.part"
            shutil.rmtree(tree, ignore_errors=True)
            _unpack(tree)
            (tree / "usr").rename(made)
            shutil.rmtree(tree)
    return made


def with_programs_of(folder: Path) -> tuple[str, ...]:
    """The words before a command that runs with the programs of this folder."""
    return ("unshare", "--mount", "sh", "-c", MOUNTED, str(folder))


def _unpack(tree: Path) -> None:
    """The packages with what they need, unpacked but not set up."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    mirror = debootstrap.mirror(apt_sources(), codename)
    # This Debian knows no script of the later suite; all are the same one.
    subprocess.run(
        ["debootstrap", "--foreign", "--variant=minbase", f"--include={','.join(PACKAGES)}",
         SUITE, str(tree), mirror, "/usr/share/debootstrap/scripts/sid"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    for package in (tree / "debootstrap/base").read_text().split():
        (archive,) = (tree / "var/cache/apt/archives").glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, tree], check=True)
    for name in ("iptables", "ip6tables"):
        (tree / "usr/sbin" / name).symlink_to(f"{name}-nft")
