"""One rollout per environment at a time."""

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from config.errors import StepError


@contextmanager
def rollout_lock(path: Path, *, environment: str, run: str) -> Generator[None]:
    """Hold the environment's lock file; the kernel frees it when the holder dies.

    Raises:
        StepError: somebody holds it; says who and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(environment, file.read()) from None
        _say(file.fileno(), run)
        try:
            yield
        finally:
            os.ftruncate(file.fileno(), 0)


def _say(descriptor: int, run: str) -> None:
    holder = {
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "run": run,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    os.fsync(descriptor)


def _refusal(environment: str, text: str) -> StepError:
    try:
        holder = json.loads(text)
        who = "{user}@{host} (pid {pid}, run {run}) since {since}".format(**holder)
    except (ValueError, KeyError):
        who = "another process that is just starting"
    return StepError(
        "lock",
        f"{environment} is being changed by {who}",
        advice="wait until it ends, or end it; a dead holder's lock frees itself",
    )
