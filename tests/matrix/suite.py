"""Programs of a later Debian than the machine's own, to be run on it.

A suite's packages are unpacked once, into a cache; nothing of the machine is changed. Docker Engine
runs with the suite's folder over /usr in a mount namespace, since it starts many others; servers
and tools are copies that know where the suite's libraries lie, and so run as any user, anywhere.

`python -m tests.matrix.suite` unpacks all of them.
"""

import fcntl
import platform
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.images.stand_ins import apt_sources
from tasks.tools import debootstrap

CACHE = Path("/var/cache/dify-rollout")
PACKAGES = ("docker.io", "docker-cli", "containerd", "runc", "iptables", "redis-server",
            "valkey-server", "restic", "nginx-light")  # fmt: skip
TOOLS = ("bin/docker", "bin/restic", "bin/redis-cli", "sbin/nginx")
# This Debian knows no script of the later suites; all are the same one.
SCRIPT = "/usr/share/debootstrap/scripts/sid"
OVER_USR = 'mount --make-rprivate / && mount --bind "$0" /usr && exec "$@"'


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian release, the PostgreSQL taken from it, and where its programs are kept."""

    name: str
    postgres: int = 0

    @property
    def folder(self) -> Path:
        return CACHE / self.name

    @property
    def usr(self) -> Path:
        return self.folder / "usr"

    def programs(self, redis: str = "redis") -> Path:
        """Goes first on PATH. `redis`: whose server is called redis-server, redis or valkey."""
        return self.folder / f"programs-{redis}"

    @property
    def postgres_folder(self) -> Path:
        """Of the shape that the sandbox copies its PostgreSQL from."""
        return self.folder / "postgres"


TRIXIE = Suite("trixie", 17)
FORKY = Suite("forky")
SUITES = {suite.name: suite for suite in (TRIXIE, FORKY)}


def fetched(suite: Suite) -> Suite:
    """The same, unpacked: about 30 s the first time, and 700 MB.

    Raises:
        SystemExit: its packages cannot be had; says which suite, and what was said.
    """
    with _alone():
        if not suite.folder.exists():
            tree = suite.folder.with_suffix(".part")
            shutil.rmtree(tree, ignore_errors=True)
            _unpack(suite, tree)
            tree.rename(suite.folder)
            try:
                _prepare(suite)
            except BaseException:
                shutil.rmtree(suite.folder)
                raise
    return suite


def over_usr(suite: Suite) -> tuple[str, ...]:
    """The words before a command that runs with the suite's programs."""
    return ("unshare", "--mount", "sh", "-c", OVER_USR, str(suite.usr))


@contextmanager
def _alone() -> Generator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(suite: Suite, tree: Path) -> None:
    """The packages with what they need, unpacked but not set up."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    mirror = debootstrap.mirror(apt_sources(), codename)
    postgres = f"postgresql-{suite.postgres}"
    more = (postgres, f"{postgres}-pgvector") if suite.postgres else ()
    include = ",".join((*PACKAGES, *more))
    done = subprocess.run(
        ["debootstrap", "--foreign", "--variant=minbase", f"--include={include}",
         suite.name, tree, mirror, SCRIPT],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        said = next((line for line in done.stdout.splitlines() if line.startswith("E:")), "")
        sys.exit(f"the packages of Debian {suite.name} cannot be had from {mirror}: {said}")
    for package in (tree / "debootstrap/base").read_text().split():
        (archive,) = (tree / "var/cache/apt/archives").glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, tree], check=True)
    for name in ("iptables", "ip6tables"):
        (tree / "usr/sbin" / name).symlink_to(f"{name}-nft")
    shutil.rmtree(tree / "var/cache/apt/archives")


def _prepare(suite: Suite) -> None:
    for redis in ("redis", "valkey"):
        programs = suite.programs(redis)
        programs.mkdir()
        for tool in TOOLS:
            _runnable(suite, suite.usr / tool, programs / Path(tool).name)
        _runnable(suite, suite.usr / f"bin/{redis}-server", programs / "redis-server")
        (programs / "redis-sentinel").symlink_to("redis-server")
    if suite.postgres:
        _prepare_postgres(suite)


def _prepare_postgres(suite: Suite) -> None:
    own = Path("lib/postgresql", str(suite.postgres))
    for program in (suite.usr / own / "bin").iterdir():
        _runnable(suite, program, program)
    place = suite.postgres_folder
    (place / "share").mkdir(parents=True)
    (place / "bin").symlink_to(suite.usr / own / "bin")
    (place / "lib").symlink_to(suite.usr / own / "lib")
    (place / "share/postgresql").symlink_to(suite.usr / "share/postgresql" / str(suite.postgres))


def _runnable(suite: Suite, program: Path, copy: Path) -> None:
    """A copy that finds the suite's libraries; a script or a static program stays as it is."""
    if program != copy:
        shutil.copy(program, copy)
    loader = suite.usr / "lib64/ld-linux-x86-64.so.2"
    libraries = suite.usr / "lib/x86_64-linux-gnu"
    words = ("patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries)
    done = subprocess.run([*words, copy], capture_output=True, text=True)
    if done.returncode and not any(
        words in done.stderr for words in ("cannot find section", "not an ELF")
    ):
        sys.exit(f"patchelf {copy}: {done.stderr.strip()}")


if __name__ == "__main__":
    for each in SUITES.values():
        fetched(each)
