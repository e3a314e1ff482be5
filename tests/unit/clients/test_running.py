"""A cancelled run: what it waited for is gone, with everything that had started itself."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from clients import running
from clients.command import Command
from clients.node import LocalNode
from clients.running import Cancelled, await_end, end_all
from config.load import ROOT


@pytest.fixture(autouse=True)
def another_run() -> Generator[None]:
    yield
    running.begin()


def sh(script: str, timeout_s: float = 60) -> Command:
    return Command(("sh", "-c", script), timeout_s=timeout_s)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sleeping(seconds: str) -> bool:
    shown = subprocess.run(["pgrep", "-xf", f"sleep {seconds}"], capture_output=True, check=False)
    return shown.returncode == 0


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


@pytest.mark.parametrize(
    "commands",
    [
        [sh("sleep 71.3 & sleep 71.3")],
        [sh("trap '' INT TERM; sleep 71.3; sleep 71.3")],
        [sh("sleep 71.3 & sleep 71.3"), sh("cat; sleep 71.3"), sh("cat >/dev/null; sleep 71.3")],
    ],
    ids=["one", "stubborn", "pipe"],
)
def test_everything_that_is_waited_for_has_ended(commands: Sequence[Command]) -> None:
    thread, raised = in_thread(lambda: LocalNode().pipe(commands))
    until(lambda: sleeping("71.3"))
    end_all()
    assert not sleeping("71.3")
    thread.join(timeout=30)
    assert [type(error) for error in raised] == [Cancelled]


def test_other_threads_of_a_cancelled_run_start_nothing_more() -> None:
    node = LocalNode()
    end_all()
    thread, raised = in_thread(lambda: node.attempt(sh("true")))
    thread.join(timeout=30)
    assert [type(error) for error in raised] == [Cancelled]
    assert node.run(Command(("echo", "the one that was cancelled cleans up"))) != ""
    running.begin()
    thread, raised = in_thread(lambda: node.attempt(sh("true")))
    thread.join(timeout=30)
    assert raised == []


RUN = """
import sys, threading
from pathlib import Path
from clients.command import Command
from clients.node import LocalNode
from clients.running import cancellable
from tasks.core.side_by_side import answers
node, lock, ended = LocalNode(), Path(sys.argv[1]), sys.argv[2]
slow = f"trap 'sleep 1; echo ended >{ended}; exit' INT; echo ready >&2; sleep 72.4 & wait"
pipe = [Command(("sh", "-c", slow)), Command(("cat",))]
with node.hold(lock, "run"), cancellable():
    answers(lambda _: node.pipe(pipe, lambda line: print(line, flush=True)), [1], 1)
"""


def test_the_lock_is_let_go_after_the_last_child(tmp_path: Path) -> None:
    lock, ended = tmp_path / "lock", tmp_path / "ended"
    words = [sys.executable, "-c", RUN, str(lock), str(ended)]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as run:
        until(lambda: sleeping("72.4"))
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        with lock.open() as file:
            subprocess.run(["flock", "--wait", "20", str(file.fileno())],
                           pass_fds=[file.fileno()], check=True)  # fmt: skip
            assert ended.read_text() == "ended\n"
            assert not sleeping("72.4")


def test_what_has_ended_is_forgotten() -> None:
    LocalNode().run(Command(("true",)))
    end_all()


def test_what_has_ended_did_so_in_time_whatever_the_limit() -> None:
    for _ in range(20):
        process = subprocess.Popen(["true"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        await_end(process, 0)


def test_what_goes_on_is_not_waited_for_longer_than_that() -> None:
    process, began = subprocess.Popen(["sleep", "60"]), time.monotonic()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            await_end(process, 0.2)
        assert 0.2 <= time.monotonic() - began < 10
    finally:
        process.kill()
        process.wait()
