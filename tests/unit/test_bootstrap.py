"""What `./bootstrap` says where it cannot install."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.load import ROOT

PROGRAMS = ("sh", "dirname", "grep", "id")


def test_without_apt_get_it_names_what_is_missing_in_one_sentence(tmp_path: Path) -> None:
    """On a machine that has these programs, and none of apt's."""
    for name in PROGRAMS:
        (tmp_path / name).symlink_to(Path("/usr/bin", name))
    done = subprocess.run(
        [tmp_path / "sh", ROOT / "bootstrap", "test"],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert said.startswith("missing packages: age ca-certificates ")
    assert said.endswith(
        "; this machine has no apt-get: install what they bring by its own package manager, then "
        "run this again"
    )


@pytest.mark.parametrize("active", [False, True])
def test_without_a_python_that_fits_it_names_the_way_to_one_in_one_sentence(
    tmp_path: Path, *, active: bool
) -> None:
    """On a machine whose Python is none of these, and which cannot download another.

    `active`: a virtual environment is, of a Python that uv would not find for another one.
    """
    uv = shutil.which("uv") or ROOT / ".uv/bin/uv"
    base = Path(sys.base_prefix) / "bin/python3"
    words = [uv, "venv", "--quiet", "--no-config", "--python", base, tmp_path / "own"]
    subprocess.run(words, check=True, cwd=tmp_path)
    own = {"VIRTUAL_ENV": str(tmp_path / "own")} if active else {}
    for name in PROGRAMS:
        (tmp_path / name).symlink_to(Path("/usr/bin", name))
    (tmp_path / "uv").symlink_to(uv)
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    for name in ("bootstrap", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [tmp_path / "sh", tmp_path / "bootstrap"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "UV_OFFLINE": "1", **own},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "this machine has no Python 3.11 to 3.13, and none can be downloaded: install one (EL 9: "
        "dnf install python3.12; Ubuntu 22.04: apt-get install python3.11), then run this again"
    )
