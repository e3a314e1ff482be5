"""README's commands on a bare Debian of another release, which is a machine of its own.

`python -m tests.matrix.distribution` runs them; its exit status is the one they end with.
"""

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from config.load import ROOT
from tasks.images.stand_ins import apt_sources
from tasks.tools import debootstrap
from tests.matrix import machine, results

NAME, RELEASE = "Debian 13", "trixie"
PACKAGES = "ca-certificates,iproute2"
HERE = Path(__file__).parent
AUTHORITIES = Path("/usr/local/share/ca-certificates")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="rollout-distribution-", dir=machine.FOLDERS) as name:
        root = Path(name, "root")
        _fill(root)
        status = machine.run(
            ["unshare", "--mount", str(HERE / "root"), str(root), "/root/newcomer"]
        )
    if status == 0:
        results.record_distribution(NAME, "`make sandbox`, a plan with nothing to do, `verify`")
    return status


def _fill(root: Path) -> None:
    """A minimal system that trusts what this one trusts, with a copy of the checkout."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    mirror = debootstrap.mirror(apt_sources(), codename)
    words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, root, mirror]
    if subprocess.run(words, stdout=subprocess.DEVNULL).returncode:
        sys.exit(f"the packages of {NAME} cannot be had from {mirror}")
    if AUTHORITIES.is_dir():
        shutil.copytree(AUTHORITIES, root / AUTHORITIES.relative_to("/"), dirs_exist_ok=True)
        subprocess.run(["chroot", root, "update-ca-certificates"], check=True, capture_output=True)
        (root / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, root / "root/checkout"], check=True)
    shutil.copy(HERE / "newcomer", root / "root")


if __name__ == "__main__":
    sys.exit(main())
