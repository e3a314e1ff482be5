"""The systemd units of a team's server are valid, and hold no password."""

import subprocess
from pathlib import Path

import pytest

from config.load import ROOT

UNITS = sorted((ROOT / "docs" / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text().replace("/opt/dify-rollout", str(ROOT))
    (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_passwords_come_from_a_file_only_its_user_reads(unit: Path) -> None:
    settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line[1:])
    assert settings["EnvironmentFile"].startswith("/etc/dify-rollout/")
    for secret in ("PASSWORD", "AUTH_STRING", "CONNECTION_URL", "postgresql"):
        assert secret not in unit.read_text()


def test_the_server_is_reached_through_nginx_alone() -> None:
    [unit] = [path for path in UNITS if path.name == "prefect-server.service"]
    assert " --host 127.0.0.1 " in unit.read_text()
