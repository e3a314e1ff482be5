"""What `./bootstrap` says where it cannot install."""

import subprocess
from pathlib import Path

from config.load import ROOT


def test_without_apt_get_it_names_what_is_missing_in_one_sentence(tmp_path: Path) -> None:
    """On a machine that has these programs, and none of apt's."""
    for name in ("sh", "dirname", "grep", "id"):
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
