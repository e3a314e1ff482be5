"""One restore point in the making: each part of it is a snapshot of its own."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from clients import restic
from clients.command import Command
from clients.postgres import Postgres, View
from clients.restic import Saved
from config.errors import StepError
from config.rules.restore_point import MANIFEST, Listing, Manifest, Part
from tasks.core.site import Site
from tasks.points import buckets
from tasks.points.pg_client_tools import clients
from tasks.points.repository import Repository

OnProgress = Callable[[str, float], None]
Kind = Literal["database", "folders", "listing", "objects"]


class Saving:
    """Saves parts, from several threads at once. `listings` are of the buckets saved so far."""

    def __init__(
        self, site: Site, repository: Repository, point: str, on_progress: OnProgress
    ) -> None:
        self.listings: dict[str, Listing] = {}
        self._begun: set[str] = set()
        self._dumped: dict[str, Saved] = {}
        self._site = site
        self._repository = repository
        self._point = point
        self._on_progress = on_progress

    def database(self, name: str, database: Postgres, view: View) -> list[Part]:
        """The archive of what the view shows, and its checksum as the repository gives it back."""
        began = time.monotonic()
        self._on_progress(name, 0)
        file = f"{name}.dump"
        if name not in self._dumped:
            dump = clients(self._repository.site, database).dump(database, view.snapshot)
            self._dumped[name] = self._saved_dump(name, file, dump)
            view.release()
        part = self._part(name, "database", f"/{file}", self._dumped[name], began)
        read = self._repository.tool.dump(part.snapshot, part.path)
        digest = self._repository.pipe([read, Command(("sha256sum",))]).split()[0]
        self._on_progress(name, 1)
        return [part.model_copy(update={"sha256": digest})]

    def _saved_dump(self, name: str, file: str, dump: Command) -> Saved:
        self._begin(name)
        tags = self._tags(name)
        save = self._repository.tool.backup_input(file, host=self._site.name, tags=tags)
        return restic.parse_saved(self._repository.pipe([dump, save]))

    def folders(self, folders: Mapping[str, Path]) -> list[Part]:
        began = time.monotonic()
        self._begin("files")
        self._on_progress("files", 0)
        tags, note = self._tags("files"), self._note("files")
        saved = self._repository.save_folders(list(folders.values()), tags, note)
        self._on_progress("files", 1)
        return [self._part("files", "folders", "/", saved, began)]

    def bucket(self, name: str) -> list[Part]:
        """Of the bucket the listing and, by choice, its objects.

        They are read after the listing: what it names is among them.
        """
        self.listings[name] = listing = buckets.listing(self._site, name)
        parts = [self._listing(name + buckets.LISTING, listing)]
        if self._site.environment.backup.objects:
            parts.append(self._objects(name))
        return parts

    def manifest(self, manifest: Manifest, seconds: float) -> None:
        """Save it last, and read it back: a point counts that opens with the saved password.

        Raises:
            StepError: it does not.
        """
        summary = {
            "created": manifest.created.isoformat(timespec="seconds"),
            "reason": manifest.reason,
            "release": manifest.release,
            "size": manifest.size,
            "added": sum(part.added for part in manifest.parts),
            "seconds": round(seconds, 1),
            "parts": len(manifest.parts),
        }
        tags = [*self._tags("manifest"), *(f"{key}:{value}" for key, value in summary.items())]
        self._begin("manifest")
        text, tool = manifest.model_dump_json(indent=1), self._repository.tool
        save = tool.backup_input(
            MANIFEST.lstrip("/"), host=self._site.name, tags=tags, content=text
        )
        saved = restic.parse_saved(self._repository.run(save))
        if self._repository.run(tool.dump(saved.snapshot, MANIFEST)) != text:
            raise StepError(
                "backup",
                f"the manifest of {manifest.point} reads back otherwise than it was saved",
                advice="look at its disk; `rollout backup check ENV` reads all of the repository",
            )

    def _listing(self, name: str, listing: Listing) -> Part:
        began = time.monotonic()
        self._begin(name)
        save = self._repository.tool.backup_input(
            f"{name}.json",
            host=self._site.name,
            tags=self._tags(name),
            content=listing.model_dump_json(),
        )
        saved = restic.parse_saved(self._repository.run(save))
        part = self._part(name, "listing", f"/{name}.json", saved, began)
        return part.model_copy(update={"files": len(listing.objects)})

    def _objects(self, name: str) -> Part:
        began = time.monotonic()
        self._begin(name)
        self._on_progress(name, 0)
        with buckets.mounted(self._site, name) as place:
            tags = self._tags(name)
            saved = self._repository.save_folders([place], tags, self._note(name), mounted=True)
        self._on_progress(name, 1)
        return self._part(name, "objects", str(place), saved, began)

    def _begin(self, part: str) -> None:
        """What an attempt that broke off has saved of the part is forgotten: it is there once."""
        if part in self._begun:
            found = self._repository.snapshots()
            tags = set(self._tags(part))
            if left := [snapshot.id for snapshot in found if tags <= snapshot.tags]:
                self._repository.run(self._repository.tool.forget(left))
        self._begun.add(part)

    def _note(self, name: str) -> Callable[[str], None]:
        def note(line: str) -> None:
            if (share := restic.parse_progress(line)) is not None:
                self._on_progress(name, min(share, 1))

        return note

    def _tags(self, part: str) -> list[str]:
        return [f"point:{self._point}", f"part:{part}"]

    def _part(self, name: str, kind: Kind, path: str, saved: Saved, began: float) -> Part:
        return Part(
            name=name,
            kind=kind,
            snapshot=saved.snapshot,
            path=path,
            files=saved.files,
            size=saved.size,
            added=saved.added,
            seconds=round(time.monotonic() - began, 2),
        )
