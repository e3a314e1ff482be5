"""Taking a restore point: database, files, secrets and what ran, together.

The order is what makes a point consistent while Dify runs: Dify stores an upload's file first
and its row afterwards, so a view of the database from before the files are read has no row whose
file could be missing. Files that came later are in the point too, and harm nothing. The view is
held while it is dumped, and the files are read at the same time.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from clients import beneath
from clients.command import Command
from clients.postgres import Postgres
from config.desired.services import active
from config.rules.restore_point import Listing, Manifest, Part, Reason
from tasks.core.site import Site
from tasks.points import buckets, full_disk, uploads
from tasks.points.databases import session_database
from tasks.points.repository import Repository
from tasks.points.snapshot_writer import OnProgress, Saving
from tasks.points.what_ran import Ran, what_ran
from tasks.steps.redis import dify_redis

log = logging.getLogger("rollout")


class Taking:
    """A restore point in the making. Its views of the databases are held until it is closed.

    Its `parts` are saved in any order, or all at once; the manifest then makes them a point.
    `ran`: what runs, where it is not the environment's own stack.
    A plain class for the reason `Site` is one.
    """

    def __init__(
        self,
        site: Site,
        repository: Repository,
        *,
        reason: Reason,
        on_progress: OnProgress,
        ran: Ran | None = None,
    ) -> None:
        self._site, self._repository, self._reason = site, repository, reason
        self._began, self._created = time.monotonic(), datetime.now(UTC)
        self._name = self._created.strftime("%Y%m%dT%H%M%SZ")
        self._saving = saving = Saving(site, repository, self._name, on_progress)
        self._archived = site.platform.archived(site, self._name)
        self._folders = saved_folders(site)
        self._main, plugin = session_database(site), session_database(site, plugin=True)
        with ExitStack() as views:
            view = views.enter_context(self._main.frozen())
            plugin_view = views.enter_context(plugin.frozen())
            self._rows, self._files = uploads.rows(view.connection), uploads.keys(view.connection)
            self._schema = uploads.revision(view.connection)
            self._ran = ran or what_ran(site)
            self._views = views.pop_all()
        self._works: dict[str, Callable[[], list[Part]]] = {
            "database": partial(saving.database, "database", self._main, view),
            "plugin-database": partial(saving.database, "plugin-database", plugin, plugin_view),
            "files": partial(saving.folders, self._folders),
            **{name: partial(saving.bucket, name) for name in buckets.buckets(site)},
        }

    @property
    def parts(self) -> list[str]:
        return list(self._works)

    def save(self, part: str) -> list[Part]:
        """What it is in the repository; of a bucket the listing and the objects."""
        with full_disk.watched(self._repository):
            return self._works[part]()

    def close(self) -> None:
        """The servers need not keep what those moments saw."""
        self._views.close()

    def manifest(self, parts: Iterable[Part]) -> Manifest:
        """Save it last: it makes the parts a point."""
        made = self._manifest(list(parts))
        for note in made.notes:
            log.warning("backup: %s", note)
        seconds = time.monotonic() - self._began
        with full_disk.watched(self._repository):
            self._saving.manifest(made, seconds)
        log.info("backup: %s is whole, %.1f s", made.point, seconds)
        return made

    def _manifest(self, parts: list[Part]) -> Manifest:
        site, storage = self._site, self._folders.get("storage")
        stored = _stored(site, storage, self._saving.listings)
        return Manifest(
            point=self._name,
            environment=site.name,
            created=self._created,
            reason=self._reason,
            release=self._ran.release,
            admin_email=site.environment.dify.admin_email,
            images=self._ran.images,
            versions=_versions(self._repository, self._main) | {"schema": self._schema},
            secrets=dict(site.secrets),
            rendered=_checksums(site, site.environment.dify.home),
            folders={key: str(path) for key, path in self._folders.items()},
            tenant_keys=_tenant_keys(site, storage),
            rows=self._rows,
            queues=_queues(site),
            without_file=_without_file(self._files, stored),
            parts=parts,
            archived=self._archived,
            notes=list(self._ran.notes),
        )


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
