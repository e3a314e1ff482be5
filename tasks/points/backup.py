"""A restore point: database, files, secrets and what ran, taken together and checked.

The order is what makes a point consistent while Dify runs: Dify stores an upload's file first
and its row afterwards, so a view of the database from before the files are read has no row whose
file could be missing. Files that came later are in the point too, and harm nothing. The view is
held while it is dumped, and the files are read at the same time.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from operator import call
from pathlib import Path
from typing import Any

from clients import beneath, restic
from clients.command import Command, CommandFailed
from clients.postgres import Postgres, View
from config.desired.services import active
from config.errors import StepError
from config.rules.restore_point import Listing, Manifest, Part, Point, Reason, shrunk
from config.rules.retention import Proof, kept, let_go
from tasks.core import release_file
from tasks.core.side_by_side import answers
from tasks.core.site import Site
from tasks.points import buckets, replaced, uploads
from tasks.points import recovery_kit as kit
from tasks.points.databases import session_database
from tasks.points.repository import Repository, points_of
from tasks.points.snapshot_writer import OnProgress, Saving
from tasks.points.what_ran import what_ran
from tasks.steps.redis import dify_redis

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
    began, created = time.monotonic(), datetime.now(UTC)
    name = created.strftime("%Y%m%dT%H%M%SZ")
    saving = Saving(site, repository, name, on_progress)
    archived = site.platform.archived(site, name)
    folders = saved_folders(site)
    main, plugin = session_database(site), session_database(site, plugin=True)
    with main.frozen() as view, plugin.frozen() as plugin_view:
        rows, files = uploads.rows(view.connection), uploads.keys(view.connection)
        schema, ran = uploads.revision(view.connection), what_ran(site)
        databases = {"database": (main, view), "plugin-database": (plugin, plugin_view)}
        parts = _saved(saving, folders, databases)
    manifest = Manifest(
        point=name,
        environment=site.name,
        created=created,
        reason=reason,
        release=ran.release,
        admin_email=site.environment.dify.admin_email,
        images=ran.images,
        versions=_versions(repository, main) | {"schema": schema},
        secrets=site.secrets,
        rendered=_checksums(site, site.environment.dify.home),
        folders={key: str(path) for key, path in folders.items()},
        tenant_keys=_tenant_keys(site, folders.get("storage")),
        rows=rows,
        queues=_queues(site),
        without_file=_without_file(files, _stored(site, folders.get("storage"), saving.listings)),
        parts=parts,
        archived=archived,
        notes=list(ran.notes),
    )
    for note in ran.notes:
        log.warning("backup: %s", note)
    saving.manifest(manifest, time.monotonic() - began)
    log.info("backup: %s is whole, %.1f s", name, time.monotonic() - began)
    return manifest


def _saved(
    saving: Saving, folders: dict[str, Path], databases: dict[str, tuple[Postgres, View]]
) -> list[Part]:
    """Every part, all at once."""
    works: list[Callable[[], list[Part]]] = [
        *(partial(saving.database, name, *place) for name, place in databases.items()),
        partial(saving.folders, folders),
        saving.buckets,
    ]
    return [part for done in answers(call, works, len(works)) for part in done]


def saved_folders(site: Site) -> dict[str, Path]:
    """Name → folder of everything outside PostgreSQL: state by its name, and `stack`."""
    environment = site.environment
    used = {n for s in active(environment, site.release).values() for n in s.volumes}
    state = {name: environment.dify.data / site.release.state[name].path for name in sorted(used)}
    folders = {**state, "stack": environment.dify.home}
    found = {name: site.node.attempt(_real(path)) for name, path in folders.items()}
    return {
        name: Path(done.stdout.removesuffix("\n"))
        for name, done in found.items()
        if done.status == 0
    }


def _real(path: Path) -> Command:
    """restic would save a link on the way to a folder, and not what it leads to."""
    return Command(("realpath", "--canonicalize-existing", str(path)), changes=False)


def subset(site: Site, at: datetime) -> str:
    """Which part of the data today's check reads: all of it is read in `verify_days` days."""
    days = site.environment.backup.verify_days
    return "all" if days == 1 else f"{at.toordinal() % days + 1}/{days}"


def check(repository: Repository, part: str, on_progress: OnProgress = silent) -> str:
    """The repository's structure is sound and the data of this part reads back.

    Raises:
        StepError: something in it is damaged.
    """
    unit = "packs" if part else "snapshots"  # data is read after the structure, and for longer

    def note(line: str) -> None:
        if (share := restic.parse_check(line, unit)) is not None:
            on_progress("check", min(share, 1))

    on_progress("check", 0)
    repository.run(repository.tool.check(part), note, partial(_damage, repository))
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


def _versions(repository: Repository, database: Postgres) -> dict[str, str]:
    with database.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    program = repository.site.node.run(Command((repository.tool.program, "version"), changes=False))
    return {
        "dify-rollout": metadata.version("dify-rollout"),
        "postgresql": str(row[0]).split()[0] if row else "",
        "restic": program.split()[1],
    }


def _checksums(site: Site, folder: Path) -> dict[str, str]:
    """File directly in the folder → SHA-256."""
    words = ("find", ".", "-maxdepth", "1", "-type", "f", "-exec", "sha256sum", "{}", "+")
    done = site.node.attempt(Command(words, cwd=str(folder), changes=False, timeout_s=600))
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return {path.removeprefix("./"): digest for digest, path in sorted(lines, key=lambda x: x[1])}


def _tenant_keys(site: Site, storage: Path | None) -> dict[str, str]:
    if storage is None:
        return {}
    done = site.node.attempt(beneath.digests(storage, uploads.KEYS, "*.pem"))
    return beneath.parse_digests(done.stdout)


def _queues(site: Site) -> dict[str, int]:
    """Jobs that wait in each queue: a note, they are not part of the point."""
    with dify_redis(site, broker=True).client() as client:
        broker: Any = client
        names = [str(name) for name in broker.scan_iter(_type="list")]
        return {name: int(broker.llen(name)) for name in sorted(names)}


def _stored(site: Site, storage: Path | None, listings: Mapping[str, Listing]) -> set[str] | None:
    """Where a file lies below the storage, for all there are; None where there is no storage."""
    if buckets.UPLOADS in listings:
        return set(listings[buckets.UPLOADS].objects)
    if storage is None:
        return None
    words = ("find", ".", "-type", "f", "-printf", "%P\\n")
    return set(
        site.node.run(Command(words, cwd=str(storage), changes=False, timeout_s=3600)).splitlines()
    )


def _without_file(files: Mapping[str, str], stored: set[str] | None) -> list[str]:
    """Uploads the database had before it was dumped whose file is not there afterwards.

    Somebody deleted them meanwhile, or they were lost before: nothing a backup could save.
    """
    missing = [] if stored is None else sorted(files.keys() - stored)
    if missing:
        log.warning("backup: %d uploads of the database have no file", len(missing))
    return missing
