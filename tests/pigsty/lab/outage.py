"""Trouble on the lab's machines, from the moment a playbook begins a task."""

import logging
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pigsty.contract.subject import LabSubject

AWAY_S = 20.0


class _Once(logging.Handler):
    """Does something once, when the log first has that task of a playbook."""

    def __init__(self, task: str, trouble: Callable[[], object]) -> None:
        super().__init__(logging.INFO)
        self.task = re.compile(rf"task \d+: .*{re.escape(task)}")
        self.trouble = trouble
        self.done = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.done and self.task.search(record.getMessage()):
            self.done = True
            self.trouble()


@contextmanager
def at(task: str, trouble: Callable[[], object]) -> Generator[None]:
    """There is trouble from the begin of that task on."""
    handler, log = _Once(task, trouble), logging.getLogger("rollout")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
    assert handler.done, f"no task {task!r} was run"


def reset_ssh(machine: LabSubject) -> None:
    """Every connection to its sshd is reset, those that are open as well, for a while."""
    rule = ("OUTPUT", "-p", "tcp", "-d", machine.address, "--dport", "22",
            "-j", "REJECT", "--reject-with", "tcp-reset")  # fmt: skip
    _for_a_while(("iptables", "-I", *rule), ("iptables", "-D", *rule))


def pause(machine: LabSubject) -> None:
    """None of its processes runs, for a while."""
    _for_a_while(("docker", "pause", machine.name), ("docker", "unpause", machine.name))


def _for_a_while(begin: tuple[str, ...], end: tuple[str, ...]) -> None:
    subprocess.run(begin, check=True, capture_output=True)
    threading.Timer(AWAY_S, subprocess.run, [end], {"check": True, "capture_output": True}).start()


def kill_playbook() -> None:
    """SIGKILL to every process of the playbook that this process runs."""
    for pid in below(os.getpid()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"ansible-playbook" in words:
            os.kill(pid, signal.SIGKILL)


def below(pid: int) -> Iterator[int]:
    """All processes that this one, or one of them, has started."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield from below(child)
            yield child
