"""Whose the homes are: where another environment left its mark, no command does anything."""

from pathlib import Path

from clients.files import File
from clients.node import Node
from config.environment import Environment
from config.errors import StepError
from tasks.core import release_file
from tasks.platforms import platform

MARK = "environment"


def require_own(environment: Environment, node: Node) -> None:
    """The sandbox's home and the stack's are nobody's yet, or this environment's.

    Raises:
        StepError: another environment's mark lies there.
    """
    if home := platform(environment).folder(environment):
        text = (node.read(home / MARK) or b"").decode(errors="replace").strip()
        _require(environment, "sandbox.home", home, text)
    stack = release_file.read(environment, node).environment
    _require(environment, "dify.home", environment.dify.home, stack)


def mark_home(environment: Environment, node: Node) -> None:
    """The sandbox's home says whose it is."""
    path = environment.sandbox.home / MARK
    if node.read(path) is None:
        node.write(File(path, f"{environment.name}\n".encode(), 0o644, keep_previous=False))


def _require(environment: Environment, key: str, place: Path, owner: str) -> None:
    if owner not in ("", environment.name):
        raise StepError(
            "lock",
            f"{place} belongs to the environment {owner}, and this is {environment.name}",
            advice=f"set {key} of {environment.name} to a place of its own",
        )
