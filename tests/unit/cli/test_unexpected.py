"""What nobody foresaw is one sentence, a file with the traceback, and exit status 70."""

import stat
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from cli import unexpected
from config.load import ROOT

BROKEN = """
import sys
from pydantic import SecretStr
from cli import main, check

def broken(*words, **options):
    secret = SecretStr("sesame-open-up")
    raise ValueError("no way to postgres://dify:" + secret.get_secret_value() + "@10.0.0.1")

check.check = broken
sys.argv = ["rollout", "check", "sandbox"]
main.main()
"""


def test_a_command_that_breaks_ends_with_a_sentence_and_a_private_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 70
    [line] = done.stderr.splitlines()
    assert line.startswith("error: unexpected ValueError: no way to postgres://")
    [file] = tmp_path.glob("rollout-error-*.txt")
    assert str(file) in line
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert "Traceback" in text and "rollout check sandbox" in text
    assert "sesame-open-up" not in text + done.stderr


def test_a_disk_that_takes_no_file_costs_the_details_and_not_the_sentence() -> None:
    done = subprocess.run(
        ["prlimit", "--fsize=0", sys.executable, "-c", BROKEN],
        cwd=ROOT, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 70
    [line] = done.stderr.splitlines()
    assert line.startswith("error: unexpected ValueError: no way to postgres://")
    assert line.endswith("name a TMPDIR with room")
    assert "sesame-open-up" not in line


def test_what_this_process_knows_is_masked(monkeypatch) -> None:
    known = SecretStr("of-a-secret-field")
    monkeypatch.setenv("RESTIC_PASSWORD", "of-a-variable")
    said = unexpected.masked("a of-a-secret-field b of-a-variable c https://u:p@host password=x d")
    assert said == "a *** b *** c https://***@host password=*** d"
    assert known
