"""A cancelled run: what it waited for is gone, with everything that had started itself."""

import os
import subprocess
import threading
import time

import pytest

from clients.command import Command, CommandFailed
from clients.node import LocalNode
from clients.running import await_end, end_all


def test_everything_that_is_waited_for_ends_at_once():
    said: list[str] = []

    def wait() -> None:
        try:
            LocalNode().run(Command(("sh", "-c", "sleep 71.3 & sleep 71.3")))
        except CommandFailed as error:
            said.append(error.reason)

    thread = threading.Thread(target=wait)
    thread.start()
    while not _sleeping():
        time.sleep(0.02)
    end_all()
    thread.join(timeout=10)
    assert said == ["exit status -9"]
    assert not _sleeping()


def test_what_has_ended_is_forgotten():
    LocalNode().run(Command(("true",)))
    end_all()


def test_what_has_ended_did_so_in_time_whatever_the_limit():
    for _ in range(20):
        process = subprocess.Popen(["true"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        await_end(process, 0)


def test_what_goes_on_is_not_waited_for_longer_than_that():
    process, began = subprocess.Popen(["sleep", "60"]), time.monotonic()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            await_end(process, 0.2)
        assert 0.2 <= time.monotonic() - began < 10
    finally:
        process.kill()
        process.wait()


def _sleeping() -> bool:
    shown = subprocess.run(["pgrep", "-xf", "sleep 71.3"], capture_output=True, check=False)
    return shown.returncode == 0
