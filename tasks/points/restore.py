"""Bring an environment, or a part of it, back to a restore point.

Everything is restored beside what is there, and exchanged by renaming while the stack is down:
until then nothing was touched. What was there is saved once nothing of Dify writes any more, is put
aside and kept, and serves again where the restore fails.
"""

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from clients.command import Command
from clients.postgres import Postgres
from config.errors import RolloutError, StepError
from config.rules.restore_point import (
    BEFORE_RESTORE,
    DATA_SECRETS,
    INCOMING,
    Manifest,
    Point,
)
from tasks.core import secrets
from tasks.core.site import Site
from tasks.core.step import ANSWERS_WITHIN_S
from tasks.points import buckets, databases, folders, interrupted_restore, replaced
from tasks.points.backup import Told, silent, take
from tasks.points.buckets import SavedBucket
from tasks.points.databases import Twin, session_database, twins
from tasks.points.interrupted_restore import Exchange
from tasks.points.pg_client_tools import clients
from tasks.points.replaced import DATABASES
from tasks.points.repository import Repository
from tasks.points.served import Served, failure, lost
from tasks.steps import revisions
from tasks.steps.redis import dify_redis

log = logging.getLogger("rollout")

Keep = Callable[[Site, dict[str, SecretStr]], None]
STEP = "restore"
_SILENCE = "UPDATE workflow_schedule_plans SET next_run_at = NULL"


class Choice:
    """What to restore and from where: the environment's own repository or another one's.

    A plain class for the reason `Site` is one.
    """

    def __init__(
        self,
        repository: Repository,
        point: Point,
        manifest: Manifest,
        parts: Sequence[str],
        file: str = "",
    ) -> None:
        self.repository = repository
        self.point = point
        self.manifest = manifest
        self.parts = tuple(parts)
        self.file = file

    @property
    def source(self) -> str:
        """The environment the point is of."""
        return self.repository.site.name


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it. `safety` is the point the state before was saved as, empty if none was."""

    manifest: Manifest
    parts: tuple[str, ...]
    safety: str
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()
    way_back: "WayBack | None" = field(default=None, repr=False, compare=False)


def choose(site: Site, repository: Repository, point: str, only: Sequence[str]) -> Choice:
    """The point and its parts, once they are known to fit.

    Raises:
        StepError: no such point or part, or the release cannot read it.
    """
    found = repository.find(point)
    manifest = repository.manifest(found)
    if _release(manifest.release) > _release(site.release.version):
        raise StepError(
            STEP,
            f"{found.id} is of Dify {manifest.release}, {site.name} runs {site.release.version}, "
            "which cannot read it",
            advice=f"run it with --release {manifest.release}, or set dify.release to that",
        )
    held = [part.name for part in manifest.parts if part.kind == "objects"]
    known = (*DATABASES, *(name for name in manifest.folders if name != "stack"), *held)
    if not only:
        _require_same_storage(site, manifest)
        return Choice(repository, found, manifest, known)
    file = next((word for word in only if "/" in word), "")
    unknown = [word for word in only if word not in known and word != file]
    if unknown or (file and len(only) > 1) or (file and file.partition("/")[0] not in known):
        raise StepError(
            STEP,
            f"no part {', '.join(unknown or [file])!r} to restore",
            advice=f"one of {', '.join(known)}, or one file, like storage/upload_files/…",
        )
    return Choice(repository, found, manifest, tuple(only), file)


def restore(
    site: Site,
    choice: Choice,
    own: Callable[[], Repository],
    *,
    keep: Keep = secrets.keep,
    told: Told = silent,
) -> Restored:
    """The parts are the environment's, and the stack is down.

    `own` opens the environment's own repository, for the point of what is there now.
    `keep` saves secrets that came with the data.

    Raises:
        StepError: what went wrong; what served before serves again.
    """
    if choice.file:
        return _restore_file(site, choice)
    clock = _Clock()
    places, notes = _places(site, choice), _lost(site, choice)
    folders.mend(site.node, places.values())
    if begun := interrupted_restore.pending(site):
        interrupted_restore.require_finishes(site, begun, choice.parts)
    landing = Landing(site, choice, told)
    served = Served(site)
    way_back = WayBack(landing, served, own, keep, begun)
    try:
        landing.fill()
        clock.lap("restore")
        # Whatever is written until now is in the point: nothing of Dify writes any more.
        served.stop()
        way_back.safety = way_back.safety or save_current(site, own)
        clock.lap("safety point")
        way_back.begin()
        landing.swap()
        notes += landing.notes
        if _cloned(site, choice):
            notes += _silence(site)
        if "database" in choice.parts:
            notes += _adopt(site, choice, keep)
        interrupted_restore.end(site)
    except BaseException as error:
        if (said := way_back.failed(error)) is not error:
            raise said from None
        raise
    clock.lap("exchange")
    return Restored(
        choice.manifest, choice.parts, way_back.safety, clock.laps, tuple(notes), way_back
    )


def _again(site: Site, choice: Choice) -> str:
    """The command that restores the same once more."""
    foreign = ["--from", choice.source] if choice.source != site.name else []
    only = [word for part in choice.parts for word in ("--only", part)]
    return " ".join(["rollout restore", site.name, choice.point.id, *foreign, *only])


def settle(site: Site) -> str:
    """The restored state is proved: what it replaced is kept as long as the environment says.

    The sentence that names it.
    """
    return replaced.keep(site, datetime.now(UTC))


class WayBack:
    """From a restore that fails half-way to what served before.

    A plain class for the reason `Site` is one.
    """

    def __init__(
        self,
        landing: "Landing",
        served: Served,
        own: Callable[[], Repository],
        keep: Keep,
        earlier: Exchange | None,
    ) -> None:
        self.landing = landing
        self.served = served
        self.own = own
        self.keep = keep
        self.earlier = earlier
        self.safety = earlier.safety if earlier else ""

    def begin(self) -> None:
        """From now on files and databases may be of two times."""
        choice, site = self.landing.choice, self.landing.site
        again = _again(site, choice)
        begun = Exchange(choice.point.id, choice.parts, self.safety, again)
        interrupted_restore.begin(site, begun)

    def failed(self, error: BaseException) -> BaseException:
        """What served before serves again; the error that says so.

        Where nothing served, what was restored stays, for the next run to go on with.
        """
        landing, name = self.landing, self.landing.site.name
        try:
            if not landing.begun:
                landing.clear()
                if not self.earlier:
                    interrupted_restore.end(landing.site)
                self.served.start()
                return error
            if not self.served.services:
                return error
            self._go_back()
        except RolloutError as trouble:
            return failure(error, lost(trouble, self.safety, name))
        log.warning("restore: failed; what served before serves again")
        if not isinstance(error, Exception):
            return error
        return failure(error, f"what served before serves again; {self.safety} is the same state")

    def _go_back(self) -> None:
        site = self.landing.site
        log.warning("restore: it failed half-way, going back to what served before")
        self.begin()
        self.served.stop()
        self.landing.take_back(self._refill)
        forget_jobs(site)
        old = self.served.secrets
        if changed := {n: v for n, v in old.items() if site.secrets.get(n) != v}:
            site.secrets.update(changed)
            self.keep(site, changed)
        interrupted_restore.end(site)
        self.served.put_back()

    def _refill(self, twin: Twin) -> None:
        """Without an administrator no database was put aside: the point has what was there."""
        site = self.landing.site
        fill_database(site, choose(site, self.own(), self.safety, [twin.part]), twin.live, twin)


class Landing:
    """Where a point is restored to before it is exchanged for what is there."""

    def __init__(self, site: Site, choice: Choice, told: Told) -> None:
        self.site = site
        self.choice = choice
        self.told = told
        self.twins = twins(site, choice.parts)
        self.folder = incoming(site)
        self.notes: list[str] = []
        self.begun = False
        self._moved: list[Path] = []
        self._exchanged: list[Twin] = []
        self._replaced: list[tuple[SavedBucket, list[str]]] = []

    def fill(self) -> None:
        """Databases and folders are restored, unseen by Dify.

        Where nobody may make a database, its archive is read to the end instead.
        """
        self.clear()
        for twin in self.twins:
            self.told(twin.part, 0)
            if databases.administered(self.site):
                target = twin.named(INCOMING)
                databases.make(self.site, target, twin.extensions)
                fill_database(self.site, self.choice, target, twin)
            else:
                part = self.choice.manifest.part(twin.part)
                read = self.choice.repository.tool.dump(part.snapshot, part.path)
                script = clients(self.site, twin.live).script()
                _piped(self.choice, twin.part, [read, script, Command(("tail", "-n", "1"))])
            self.told(twin.part, 1)
        if places := _places(self.site, self.choice):
            self.told("files", 0)
            fill_folder(self.site, self.choice, self.folder, list(places))
            self.told("files", 1)
        for name in self.choice.parts:
            if name in buckets.buckets(self.site):
                self._add_objects(name)

    def _add_objects(self, name: str) -> None:
        """Objects that are missing are there: nobody asks for them yet. None is taken away."""
        self.told(name, 0)
        saved = saved_bucket(self.choice, name)
        missing, other = buckets.lacking(saved.listing, buckets.listing(self.site, name).objects)
        buckets.put_back(self.site, self.choice.repository, saved, missing)
        self._replaced.append((saved, other))
        if other:
            self.notes.append(f"{name}: {len(other)} objects had another content, see *.previous")
        self.told(name, 1)

    def swap(self) -> None:
        moves = {
            self.folder / source.lstrip("/"): place
            for source, place in _places(self.site, self.choice).items()
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
        filling = [programs.script(), programs.replace(target)]
    _piped(choice, twin.part, [read, *filling])


def _piped(choice: Choice, what: str, commands: Sequence[Command]) -> None:
    try:
        choice.repository.pipe(commands)
    except StepError as error:
        raise StepError(
            STEP,
            f"{what} of {choice.point.id}: {error.cause}",
            advice="nothing was changed; take another point, or mend what it says",
        ) from None


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


def _require_same_storage(site: Site, manifest: Manifest) -> None:
    """Uploads come back to where Dify looks for them.

    Raises:
        StepError: the point has them in a bucket and the environment in a folder, or vice versa.
    """
    in_bucket = manifest.has(buckets.UPLOADS + buckets.LISTING)
    if in_bucket == bool(buckets.buckets(site)):
        return
    kinds = ("s3", "local") if in_bucket else ("local", "s3")
    raise StepError(
        STEP,
        f"{manifest.point} is of an environment with storage.kind {kinds[0]!r}, "
        f"{site.name} has {kinds[1]!r}: its uploads would not be found",
        advice=f"set storage.kind of {site.name}, or restore parts with --only",
    )


def _lost(site: Site, choice: Choice) -> list[str]:
    """Which objects of the point neither it nor the bucket has."""
    notes: list[str] = []
    for name in buckets.buckets(site):
        listed = choice.manifest.has(name + buckets.LISTING)
        if "database" not in choice.parts or choice.manifest.has(name) or not listed:
            continue
        wanted = choice.repository.listing(choice.manifest, name + buckets.LISTING)
        missing, _ = buckets.lacking(wanted, buckets.listing(site, name).objects)
        if missing:
            notes.append(
                f"{len(missing)} of {len(wanted.objects)} objects of {choice.point.id} are not in "
                f"{buckets.buckets(site)[name]}, and the point has only their list: {missing[0]}"
            )
            log.warning("restore: %s", notes[-1])
    return notes


def incoming(site: Site) -> Path:
    return site.environment.dify.data / ".incoming"


def _places(site: Site, choice: Choice) -> dict[str, Path]:
    """Folder in the point → where it belongs here."""
    return {
        choice.manifest.folders[name]: site.environment.dify.data / site.release.state[name].path
        for name in choice.parts
        if name not in DATABASES and name in choice.manifest.folders
    }


def save_current(site: Site, own: Callable[[], Repository]) -> str:
    """The point the state that is about to be replaced was saved as, empty if there is none.

    Raises:
        PostgresUnreachable, PostgresRefused: whether there is some could not be asked.
    """
    if revisions.in_database(site, ANSWERS_WITHIN_S) is None:
        return ""
    point = take(site, own(), reason=BEFORE_RESTORE, told=silent).point
    log.info("restore: what is there now is saved as %s", point)
    return point


def _adopt(site: Site, choice: Choice, keep: Keep) -> list[str]:
    """Secrets that belong to the data came with it; the others stay the environment's."""
    notes: list[str] = []
    kept = choice.manifest.secrets
    carried = {name: kept[name] for name in DATA_SECRETS if name in kept}
    if changed := [name for name, value in carried.items() if site.secrets.get(name) != value]:
        site.secrets.update(carried)
        given = site.environment.secrets.sources
        keep(site, carried)
        notes += [
            f"{name} stands in {given[name]}, which {choice.point.id} contradicts: take it out of "
            f"secrets.sources of {site.name}, its block has the right one"
            for name in changed
            if name in given
        ]
        notes.append(f"{', '.join(changed)} taken over from {choice.point.id}")
    ours, theirs = site.environment.dify.admin_email, choice.manifest.admin_email
    if ours != theirs:
        notes.append(f"the administrator is {theirs}: set dify.admin_email of {site.name}")
    return notes


def _cloned(site: Site, choice: Choice) -> bool:
    return choice.source != site.name and "database" in choice.parts


def _silence(site: Site) -> list[str]:
    """No schedule of the source fires here; its mail settings stayed with it."""
    with session_database(site).connect() as connection:
        row = connection.execute("SELECT to_regclass('workflow_schedule_plans')").fetchone()
        if row is None or row[0] is None:
            return []
        count = connection.execute(_SILENCE).rowcount
    return [f"{count} schedules silenced; publish a workflow anew to start its schedule"]


def forget_jobs(site: Site) -> None:
    """Waiting jobs and cached rows are of the state that was replaced."""
    for broker in (False, True):
        with dify_redis(site, broker=broker).client() as client:
            ours: Any = client
            ours.flushdb()


def _restore_file(site: Site, choice: Choice) -> Restored:
    """One file is as it was; the one there now stays beside it. The stack goes on running."""
    clock = _Clock()
    name, _, path = choice.file.partition("/")
    source = f"{choice.manifest.folders[name]}/{path}"
    root = site.environment.dify.data / site.release.state[name].path
    target = incoming(site)
    try:
        fill_folder(site, choice, target, [source])
        restored = target / source.lstrip("/")
        if not folders.exists(site.node, restored):
            raise StepError(
                STEP,
                f"{choice.point.id} has no {choice.file}",
                advice=f"rollout points {choice.source} lists other points",
            )
        folders.put(site.node, restored, root, path)
    finally:
        folders.remove(site.node, target)
    clock.lap("restore")
    return Restored(choice.manifest, choice.parts, "", clock.laps)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


class _Clock:
    """Seconds between one lap and the next."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._since, 2)
        self._since = now
