"""One rollout per environment at a time."""

import getpass
import json
import os
import re
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clients.command import Command
from clients.node import Held, Node
from config.environment import Environment
from config.errors import StepError


def lock_file(environment: Environment) -> Path:
    """Beside the stack's directory on the first node, so that every worker finds the same."""
    home = environment.dify.home
    return home.with_name(home.name + ".lock")


@contextmanager
def rollout_lock(node: Node, path: Path, *, environment: str, run: str) -> Generator[None]:
    """Hold the environment's lock file on the node; the kernel frees it when the holder dies.

    Raises:
        StepError: somebody holds it; says who and since when.
    """
    with ExitStack() as held:
        try:
            held.enter_context(node.hold(path, _holder(run)))
        except Held as error:
            raise _refusal(environment, error.holder) from None
        yield


@dataclass(frozen=True, slots=True)
class Holder:
    """Which run holds a lock, and since when."""

    run: str
    since: datetime


def holding(node: Node, path: Path) -> Holder | None:
    """Who holds the lock now. It is only looked at: trying it would turn a rollout away."""
    entry = node.look([path])[path]
    try:
        found = json.loads((entry and entry.content) or b"{}")
        holder = Holder(str(found["run"]), datetime.fromisoformat(found["since"]))
    except (ValueError, KeyError, TypeError):
        return None
    return holder if _locked(node, path) else None


def _locked(node: Node, path: Path) -> bool:
    """What a killed holder wrote stays in the file, its lock does not."""
    inode = node.run(Command(("stat", "--format", "%i", str(path)), changes=False)).strip()
    locks = node.run(Command(("cat", "/proc/locks"), changes=False))
    taken = re.compile(rf"^\d+: FLOCK .*:{inode} ", re.MULTILINE)
    return bool(taken.search(locks))


def _holder(run: str) -> str:
    holder = {
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "run": run,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(holder)


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
