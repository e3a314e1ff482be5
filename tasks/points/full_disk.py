"""A repository in a folder whose disk fills up while something is saved there."""

from contextlib import AbstractContextManager, nullcontext

from clients.command import Command
from tasks.points import silence
from tasks.points.repository import Repository

# A filesystem does not always give away its last blocks.
FULL_BYTES = 1_000_000


def watched(repository: Repository) -> AbstractContextManager[None]:
    """What saves meanwhile is ended once the disk has been full for a while.

    restic 0.14, Debian 12's, does not end by itself every other time it cannot write.
    """
    if not repository.tool.repository.startswith("/"):
        return nullcontext()
    return silence.watched(lambda: has_room(repository), repository.full(repository.name))


def has_room(repository: Repository) -> bool:
    words = ("stat", "--file-system", "--format", "%f %S", repository.tool.repository)
    blocks, size = repository.site.node.run(Command(words, changes=False)).split()
    return int(blocks) * int(size) >= FULL_BYTES
