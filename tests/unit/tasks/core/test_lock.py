import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clients.node import LocalNode
from config.errors import StepError
from config.load import ROOT
from tasks.core.lock import holding, rollout_lock

HOLD = """
import sys, time
from pathlib import Path
from clients.node import LocalNode
from tasks.core.lock import holding, rollout_lock
with rollout_lock(LocalNode(), Path(sys.argv[1]), environment="prod", run="calm-otter"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it_since_when_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "rollout.lock"
    process = holder(path)
    try:
        with (
            pytest.raises(StepError) as caught,
            rollout_lock(LocalNode(), path, environment="prod", run="second"),
        ):
            pass
    finally:
        process.kill()
        process.wait()
    year = time.strftime("%Y-")
    assert f"(pid {process.pid}, run calm-otter) since {year}" in str(caught.value)
    assert "wait until it ends" in caught.value.advice


def test_a_dead_holders_lock_frees_itself(tmp_path: Path) -> None:
    path = tmp_path / "rollout.lock"
    process = holder(path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with rollout_lock(LocalNode(), path, environment="prod", run="next"):
        assert str(os.getpid()) in path.read_text()


def test_it_is_free_afterwards_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rollout.lock"
    for run in ("one", "two"):
        with rollout_lock(LocalNode(), path, environment="prod", run=run):
            assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == ""


def test_who_holds_it_is_seen_without_trying_it(tmp_path: Path) -> None:
    path = tmp_path / "rollout.lock"
    assert holding(LocalNode(), path) is None
    process = holder(path)
    found = holding(LocalNode(), path)
    assert found and found.run == "calm-otter"
    assert abs(time.time() - found.since.timestamp()) < 60
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert "calm-otter" in path.read_text()
    assert holding(LocalNode(), path) is None
