"""Where a run comes from: the checkout's commit and the person at the terminal."""

import getpass
import socket

from clients.command import Command
from clients.node import LocalNode
from config.load import ROOT


def commit() -> str:
    """Short hash of the checkout, with `-dirty` if files differ from it; "unknown" without git."""
    words = ("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*")
    found = LocalNode().attempt(Command(words, timeout_s=10, changes=False))
    return found.stdout.strip() if found.status == 0 else "unknown"


def operator() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
