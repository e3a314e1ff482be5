"""A machine without apt-get, as EL 9 is: what stands in the way is said, and nothing is made."""

import os
import stat
import subprocess
import sys
from pathlib import Path

ABSENT = ("bin/apt-get", "sbin/dockerd", "bin/redis-server", "sbin/nginx")
HIDDEN = """
mount --make-rprivate /
mount -t overlay -o "lowerdir=$0:/usr" usr /usr
mount -t tmpfs tmpfs /run
exec "$@"
"""


def hide(folder: Path) -> None:
    """What an overlay takes for the absence of these programs."""
    for program in ABSENT:
        place = folder / program
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))


def rollout(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command on such a machine, with a sandbox of its own that is still to be made."""
    hide(folder / "usr")
    program = Path(sys.executable).with_name("rollout")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", HIDDEN, folder / "usr", program, *words],
        env={**os.environ, "ROLLOUT__SANDBOX__HOME": str(folder / "home")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, (folder / "home").exists()) == (1, False)
    return done


def test_a_plan_shows_what_has_to_be_installed_first(tmp_path: Path) -> None:
    said = rollout(tmp_path, "plan", "sandbox").stdout
    changes, _, in_the_way = said.partition("What is in the way of a deploy of sandbox")
    for package in ("docker.io iptables", "redis-server", "nginx-light"):
        assert f"install {package}" in in_the_way
        assert f"install {package}" not in changes
    assert ", 3 things in the way; nothing was applied" in said


def test_preflight_names_each_program_that_is_missing(tmp_path: Path) -> None:
    done = rollout(tmp_path, "sandbox")
    said = [line.strip() for line in done.stderr.splitlines()]
    assert said[0].startswith("error: preflight: ")
    (docker,) = [line for line in said if line.startswith("docker: ")]
    advice = "install Docker Engine and Compose there (a deploy does it only with apt-get)"
    assert docker.endswith(advice)
    for program, package in (("redis-server", "redis-server"), ("nginx", "nginx-light")):
        (line,) = [line for line in said if line.startswith(f"{program}: ")]
        assert f"(Debian's package {package}) with this machine's package manager" in line
