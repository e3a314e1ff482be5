"""Whose the homes are: where another environment left its mark, no command does anything.

Nor where the files of a Dify lie that this project did not write.
"""

from pathlib import Path

from clients.files import File
from clients.node import Node
from config.desired.env_file import WRITTEN
from config.environment import Environment
from config.errors import StepError
from tasks.core import release_file
from tasks.core.release_file import RELEASE
from tasks.platforms import platform

MARK = "environment"
STACK = (".env", "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def require_own(environment: Environment, node: Node) -> None:
    """The sandbox's home and the stack's are nobody's yet, or this environment's.

    Raises:
        StepError: another environment's mark lies there, or a Dify that this project did not make.
    """
    if home := platform(environment).folder(environment):
        text = (node.read(home / MARK) or b"").decode(errors="replace").strip()
        _require(environment, "sandbox.home", home, text)
    stack = release_file.read(environment, node).environment
    _require(environment, "dify.home", environment.dify.home, stack)
    if not stack and (found := _foreign(environment, node)):
        raise StepError(
            "dify.home",
            f"{environment.dify.home} has {', '.join(found)} of a Dify that this project did not "
            "make; nothing of it is read or changed",
            advice=f"set dify.home, dify.data and dify.project of {environment.name} to others; to "
            f"take that Dify over into them: rollout adopt {environment.name}",
        )


def home_is_marked(environment: Environment, node: Node) -> bool:
    """Whether the stack's home has a file that only this project writes."""
    return any(_written(name, content) for name, content in _stack(environment, node).items())


def _foreign(environment: Environment, node: Node) -> list[str]:
    """The stack's files in the home, if nothing beside them is this project's."""
    found = _stack(environment, node)
    if any(_written(name, content) for name, content in found.items()):
        return []
    return [name for name in found if name in STACK]


def _stack(environment: Environment, node: Node) -> dict[str, bytes]:
    """Name → content of the files that say whose home it is, those that are there."""
    home = environment.dify.home
    found = node.look([home / name for name in (RELEASE, *STACK)])
    return {path.name: entry.content or b"" for path, entry in found.items() if entry}


def _written(name: str, content: bytes) -> bool:
    return name == RELEASE or content.startswith(WRITTEN.encode())


def mark_home(environment: Environment, node: Node) -> None:
    """The sandbox's home says whose it is."""
    path = environment.sandbox.home / MARK
    if node.read(path) is None:
        node.write(File(path, f"{environment.name}\n".encode(), 0o644, keep_previous=False))


def _require(environment: Environment, key: str, place: Path, owner: str) -> None:
    if owner not in ("", environment.name):
        raise StepError(
            key,
            f"{place} belongs to the environment {owner}, and this is {environment.name}",
            advice=f"set {key} of {environment.name} to a place of its own",
        )
