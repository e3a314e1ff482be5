"""What a machine says of itself and of its Docker Engine, as a text for people."""

from clients.command import Command, CommandFailed
from clients.node import Node

ASKED = (
    ("uname", "-a"),
    ("cat", "/etc/os-release"),
    ("uptime",),
    ("df", "--human-readable", "--print-type"),
    ("free", "--mebi"),
    ("docker", "version"),
    ("docker", "info"),
    ("docker", "ps", "--all"),
    ("docker", "network", "ls"),
)


def machine(node: Node) -> str:
    """Each command with its answer, or with why it has none."""
    return "\n".join(f"$ {' '.join(words)}\n{_answer(node, words)}" for words in ASKED)


def _answer(node: Node, words: tuple[str, ...]) -> str:
    try:
        done = node.attempt(Command(words, timeout_s=15, changes=False))
    except CommandFailed as error:
        return f"{error.reason}\n"
    return done.stdout + done.stderr
