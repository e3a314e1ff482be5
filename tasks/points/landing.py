"""Where a point is restored to, and the exchange of that for what is in place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.errors import StepError
from config.rules.restore_point import INCOMING
from tasks.core.site import Site
from tasks.points import buckets, databases, folders, interrupted_restore
from tasks.points.backup import OnProgress
from tasks.points.buckets import SavedBucket
from tasks.points.choice import Choice, places
from tasks.points.databases import Twin, twins
from tasks.points.filling import fill_database, fill_folder, read_through, saved_bucket
from tasks.steps.redis import dify_redis


class Landing:
    """Where a point is restored to before it is exchanged for what is there."""

    def __init__(self, site: Site, choice: Choice, on_progress: OnProgress) -> None:
        self.site = site
        self.choice = choice
        self.on_progress = on_progress
        self.twins = twins(site, choice.parts)
        self.folder = incoming(site)
        self.notes: list[str] = []
        self.begun = False
        self._moved: list[Path] = []
        self._exchanged: list[Twin] = []
        self._replaced: list[tuple[SavedBucket, list[str]]] = []

    @property
    def parts(self) -> list[str]:
        """What is filled, one after the other: databases, the files, buckets."""
        files = ["files"] if places(self.site, self.choice) else []
        stored = [name for name in self.choice.parts if name in buckets.buckets(self.site)]
        return [*(twin.part for twin in self.twins), *files, *stored]

    def fill(self, part: str) -> None:
        """This part is restored, unseen by Dify."""
        self.on_progress(part, 0)
        twin = next((each for each in self.twins if each.part == part), None)
        if twin:
            self._fill_database(twin)
        elif part == "files":
            found = places(self.site, self.choice)
            fill_folder(self.site, self.choice, self.folder, list(found))
        else:
            self._add_objects(part)
        self.on_progress(part, 1)

    def _fill_database(self, twin: Twin) -> None:
        """Where nobody may make a database, its archive is read to the end instead."""
        if not databases.administered(self.site):
            read_through(self.site, self.choice, twin)
            return
        target = twin.named(INCOMING)
        databases.make(self.site, target, twin.extensions)
        fill_database(self.site, self.choice, target, twin)

    def _add_objects(self, name: str) -> None:
        """Objects that are missing are there: nobody asks for them yet. None is taken away."""
        saved = saved_bucket(self.choice, name)
        missing, other = buckets.lacking(saved.listing, buckets.listing(self.site, name).objects)
        buckets.put_back(self.site, self.choice.repository, saved, missing)
        self._replaced.append((saved, other))
        if other:
            self.notes.append(f"{name}: {len(other)} objects had another content, see *.previous")

    def swap(self) -> None:
        moves = {
            self.folder / source.lstrip("/"): place
            for source, place in places(self.site, self.choice).items()
        }
        try:
            folders.swap(self.site.node, moves)
        except StepError:
            interrupted_restore.end(self.site)
            raise
        self.begun, self._moved = True, list(moves.values())
        for bucket, keys in self._replaced:
            buckets.put_back(self.site, self.choice.repository, bucket, keys)
        if databases.administered(self.site):
            self._exchanged = databases.swap(self.site, self.twins)
        else:
            for twin in self.twins:
                self._exchanged.append(twin)
                fill_database(self.site, self.choice, twin.live, twin)
        if self.twins:
            forget_jobs(self.site)
        folders.remove(self.site.node, self.folder)

    def take_back(self, refill: Callable[[Twin], None]) -> None:
        """What was there before is in place again, as far as it was replaced."""
        if databases.administered(self.site):
            databases.swap_back(self.site, self._exchanged)
        else:
            for twin in self._exchanged:
                refill(twin)
        folders.swap_back(self.site.node, self._moved)
        self.clear()

    def clear(self) -> None:
        """Nothing half restored is left."""
        for twin in self.twins if databases.administered(self.site) else ():
            databases.drop(self.site, twin.named(INCOMING))
        folders.remove(self.site.node, self.folder)


def incoming(site: Site) -> Path:
    return site.environment.dify.data / ".incoming"


def forget_jobs(site: Site) -> None:
    """Waiting jobs and cached rows are of the state that was replaced."""
    for broker in (False, True):
        with dify_redis(site, broker=broker).client() as client:
            ours: Any = client
            ours.flushdb()
