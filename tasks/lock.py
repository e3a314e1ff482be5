"""One rollout per environment at a time."""

import getpass
import json
import os
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from blocks.node import Held, Node
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
