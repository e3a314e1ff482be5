"""A backup: a restore point is taken, the repository checked, and what is too old let go."""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain

from clients import restic
from clients.command import CommandFailed
from config.errors import StepError
from config.rules.restore_point import Manifest, Point, Reason, shrunk
from config.rules.retention import Proof, kept, let_go
from tasks.core import release_file
from tasks.core.side_by_side import answers
from tasks.core.site import Site
from tasks.points import recovery_kit as kit
from tasks.points import replaced
from tasks.points.repository import Repository, points_of
from tasks.points.snapshot_writer import OnProgress
from tasks.points.taking import Taking

log = logging.getLogger("rollout")


def silent(part: str, share: float) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup left: the point, all points, what was pruned or why nothing was, the kit.

    `kept` and `pruned`: id of a point → why it was kept or let go.
    """

    manifest: Manifest
    points: tuple[Point, ...]
    kept: dict[str, str]
    pruned: dict[str, str]
    held: str
    checked: str
    kit: str


def backup(
    site: Site,
    repository: Repository,
    *,
    reason: Reason = "asked",
    on_progress: OnProgress = silent,
) -> Backup:
    """Take a point, check the repository, and only then let go of what is too old.

    Raises:
        StepError: what went wrong; points made before are untouched.
    """
    manifest = take(site, repository, reason=reason, on_progress=on_progress)
    recovery = kit.renew(site, repository, manifest.created)
    checked = check(repository, subset(site, manifest.created), on_progress)
    return tidied(repository, manifest, checked=checked, kit=recovery)


def tidied(repository: Repository, manifest: Manifest, *, checked: str, kit: str) -> Backup:
    """What is too old is gone, once the new point was checked, unless that looks wrong."""
    site, points = repository.site, repository.points()
    held = _suspicion(site, points)
    pruned: dict[str, str] = {}
    if held:
        log.warning("backup: nothing is pruned: %s", held)
    else:
        pruned = prune(repository)
        points = [point for point in points if point.id not in pruned]
    replaced.expire(site, manifest.created)
    keep = retained(site, points)
    return Backup(manifest, tuple(points), keep, pruned, held, checked, kit)


def take(
    site: Site, repository: Repository, *, reason: Reason, on_progress: OnProgress
) -> Manifest:
    """Save every part, all at once, and last the manifest that makes them a point."""
    with closing(Taking(site, repository, reason=reason, on_progress=on_progress)) as taking:
        parts = taking.parts
        saved = answers(taking.save, parts, len(parts))
    return taking.manifest(chain.from_iterable(saved))


def subset(site: Site, at: datetime) -> str:
    """Which part of the data today's check reads: all of it is read in `verify_days` days."""
    days = site.environment.backup.verify_days
    return "all" if days == 1 else f"{at.toordinal() % days + 1}/{days}"


def check(repository: Repository, part: str, on_progress: OnProgress = silent) -> str:
    """The repository's structure is sound and the data of this part reads back.

    The structure by itself first: restic asks for each pack that is gone again, for minutes.

    Raises:
        StepError: something in it is damaged.
    """
    unit = "packs" if part else "snapshots"  # data is read after the structure, and for longer

    def note(line: str) -> None:
        if (share := restic.parse_check(line, unit)) is not None:
            on_progress("check", min(share, 1))

    on_progress("check", 0)
    for read in dict.fromkeys(("", part)):
        repository.run(repository.tool.check(read), note, partial(_damage, repository))
    on_progress("check", 1)
    return part


def retained(site: Site, points: Sequence[Point]) -> dict[str, str]:
    """Id of each point that retention keeps → why."""
    return kept(points, site.environment.backup, datetime.now(UTC), _proof(site))


def _proof(site: Site) -> Proof | None:
    found = release_file.read(site.environment, site.node)
    if not found.proved_at:
        return None
    return Proof(datetime.fromisoformat(found.proved_at), found.proved_release)


def prune(repository: Repository) -> dict[str, str]:
    """Points retention lets go of, and what dead runs left, are gone; id of each → why."""
    snapshots = repository.snapshots()
    points = points_of(snapshots)
    keep = retained(repository.site, points)
    whole = {point.id: point for point in points}
    gone = [
        snapshot.id
        for snapshot in snapshots
        if (name := snapshot.tag("point")) not in whole or name not in keep
    ]
    if not gone or not points:
        return {}
    repository.run(repository.tool.forget(gone))
    repository.run(repository.tool.prune())
    backup = repository.site.environment.backup
    return {name: let_go(point, backup) for name, point in whole.items() if name not in keep}


def _suspicion(site: Site, points: list[Point]) -> str:
    """Why nothing may be pruned now, empty if nothing speaks against it."""
    keep = site.environment.backup.keep
    *before, newest = points
    largest = max((point.size for point in before[-keep.last :]), default=0)
    if shrunk(newest.size, largest, keep.shrink):
        return (
            f"{newest.id} is {newest.size} bytes where {largest} were before, less than "
            f"backup.keep.shrink = {keep.shrink:g} of it"
        )
    return ""


def _damage(repository: Repository, error: CommandFailed) -> StepError:
    text = error.output
    if "already locked" in text or "wrong password" in text or "Is there a repo" in text:
        return repository.trouble(error)
    return StepError(
        "backup",
        f"the repository {repository.name} is damaged: {restic.why(text)}",
        tried=str(error.command),
        advice="nothing was pruned; restic rebuild-index and restic prune may mend it, "
        "and the next backup saves again what is missing; look at the disk",
    )
