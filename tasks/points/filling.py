"""Databases and folders filled with what a point has; nothing that serves is touched."""

from collections.abc import Sequence
from pathlib import Path

from clients.command import Command
from clients.postgres import Postgres
from config.errors import StepError
from tasks.core.site import Site
from tasks.points import buckets, databases, folders
from tasks.points.buckets import SavedBucket
from tasks.points.choice import STEP, Choice
from tasks.points.databases import Twin
from tasks.points.pg_client_tools import clients


def fill_database(site: Site, choice: Choice, target: Postgres, twin: Twin) -> None:
    """The database holds what the point's has, and nothing else.

    Raises:
        StepError: the archive cannot be read or the server does not take it; it is as before.
    """
    part = choice.manifest.part(twin.part)
    read = choice.repository.tool.dump(part.snapshot, part.path)
    programs = clients(site, target)
    filling = [programs.restore(target)]
    if not databases.administered(site):
        filling = [programs.script(), programs.replace(target, twin.extensions)]
    _piped(choice, twin.part, [read, *filling])


def read_through(site: Site, choice: Choice, twin: Twin) -> None:
    """The archive of the database is whole: it was read to its end, and nothing was filled.

    Raises:
        StepError: it cannot be read.
    """
    part = choice.manifest.part(twin.part)
    read = choice.repository.tool.dump(part.snapshot, part.path)
    script = clients(site, twin.live).script()
    _piped(choice, twin.part, [read, script, Command(("tail", "-n", "1"))])


def fill_folder(site: Site, choice: Choice, target: Path, include: Sequence[str]) -> None:
    """Below `target` lies what the point has of these absolute paths."""
    folders.make(site.node, target)
    part = choice.manifest.part("files")
    try:
        choice.repository.run(choice.repository.tool.restore(part.snapshot, target, include))
    except StepError as error:
        raise StepError(
            STEP,
            f"files of {choice.point.id}: {error.cause}",
            advice="nothing was changed; take another point, or mend what it says",
        ) from None


def saved_bucket(choice: Choice, name: str) -> SavedBucket:
    part = choice.manifest.part(name)
    listing = choice.repository.listing(choice.manifest, name + buckets.LISTING)
    return SavedBucket(name, listing, part.snapshot, part.path)


def _piped(choice: Choice, what: str, commands: Sequence[Command]) -> None:
    try:
        choice.repository.pipe(commands)
    except StepError as error:
        raise StepError(
            STEP,
            f"{what} of {choice.point.id}: {error.cause}",
            advice="nothing was changed; take another point, or mend what it says",
        ) from None
