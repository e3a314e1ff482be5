"""Folders of state: restored beside their place, and put there by renaming."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from clients import beneath
from clients.command import Command, CommandFailed
from clients.node import Node
from config.errors import StepError

PREVIOUS = ".previous"
DAY_S = 86_400


def exists(node: Node, path: Path) -> bool:
    """Whether anything has that name, be it a link that leads nowhere."""
    words = ("test", "-e", str(path), "-o", "-L", str(path))
    return node.attempt(Command(words, changes=False)).status == 0


def remove(node: Node, path: Path) -> None:
    node.run(Command(("rm", "-rf", "--one-file-system", str(path)), timeout_s=DAY_S))


def make(node: Node, path: Path) -> None:
    """The folder is there, empty and closed to others."""
    remove(node, path)
    node.run(Command(("mkdir", "-p", "-m", "700", str(path))))


def mend(node: Node, places: Iterable[Path]) -> None:
    """What a dead restore had put aside, and not replaced yet, is back in its place."""
    for place in places:
        if not exists(node, place) and exists(node, previous(place)):
            _move(node, previous(place), place)


def swap(node: Node, moves: Mapping[Path, Path]) -> None:
    """Each new folder is at its place; what was there is kept beside it.

    Raises:
        StepError: a place cannot be renamed; what was moved before is back.
    """
    for place in moves.values():
        if exists(node, place):
            remove(node, previous(place))
    done: list[Path] = []
    try:
        for new, place in moves.items():
            node.run(Command(("mkdir", "-p", str(place.parent))))
            if exists(node, place):
                _move(node, place, previous(place))
            done.append(place)
            _move(node, new, place)
    except CommandFailed as error:
        for place in done:
            if exists(node, previous(place)):
                remove(node, place)
                _move(node, previous(place), place)
        raise StepError(
            "restore",
            f"cannot put the files in place: {error.output.strip() or error.reason}",
            advice="a folder of state must not be a mount point itself; nothing was changed",
        ) from None


def swap_back(node: Node, places: Iterable[Path]) -> None:
    """What was put aside is at its place again, and what took it is gone."""
    for place in places:
        if exists(node, previous(place)):
            remove(node, place)
            _move(node, previous(place), place)


def put(node: Node, new: Path, root: Path, path: str) -> None:
    """The file is at the path below the folder, and the one before beside it.

    Raises:
        StepError: a link is on the way, which a container may have made: it is not followed.
    """
    try:
        node.run(beneath.put(root, path, new))
    except CommandFailed as error:
        said = (error.output.strip().splitlines() or [error.reason])[-1]
        raise StepError(
            "restore",
            f"{path} cannot be put below {root}: {said}",
            advice="nothing was changed; see what that is and who made it, and remove it",
        ) from None


def previous(place: Path) -> Path:
    return place.with_name(place.name + PREVIOUS)


def _move(node: Node, old: Path, new: Path) -> None:
    node.run(Command(("mv", "-T", str(old), str(new))))
