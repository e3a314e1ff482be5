"""The backup repository of an environment: restic on the node, its password, its points."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from pydantic import ValidationError

from blocks.prefect_api import configured
from blocks.repository import BackupRepository, new
from clients import curl, restic
from clients.command import Command, CommandFailed
from clients.restic import Restic, Saved, Snapshot
from clients.waiting import despite
from config.errors import RolloutError, StepError
from config.rules.restore_point import MANIFEST, Listing, Manifest, Point, latest
from tasks.core.packages import program
from tasks.core.secrets import given_credentials
from tasks.core.site import Site
from tasks.points import repository_access, silence

log = logging.getLogger("rollout")

OnLine = Callable[[str], None]
Explain = Callable[[CommandFailed], RolloutError]
RETRY_S = 5.0
LOCK_WITHIN_S = 900.0
ANSWER_S = 5.0
STEP = "backup"
# What stands before a server that is away says so itself.
AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


class RepositoryAway(StepError):
    """Nothing answers where the repository should be."""


class Repository:
    """An open repository. Every failure is one sentence; a lock in the way is waited for."""

    def __init__(self, site: Site, tool: Restic, access: BackupRepository) -> None:
        self.site = site
        self.tool = tool
        self.access = access

    @property
    def name(self) -> str:
        return restic.masked(self.tool.repository)

    def run(
        self, command: Command, on_line: OnLine | None = None, explain: Explain | None = None
    ) -> str:
        """What the command prints; `explain` says what a failure means here."""
        return self._patient(lambda: self.site.node.run(command, on_line), explain or self.trouble)

    def pipe(self, commands: Sequence[Command]) -> str:
        return self._patient(lambda: self.site.node.pipe(commands), self.trouble)

    def snapshots(self) -> list[Snapshot]:
        """Those of this environment, oldest first, whole points or not."""
        host = self.site.name
        found = restic.parse_snapshots(self.run(self.tool.snapshots()))
        return [snapshot for snapshot in found if snapshot.host == host and snapshot.tag("point")]

    def points(self) -> list[Point]:
        """Every whole restore point, oldest first."""
        return points_of(self.snapshots())

    def manifest(self, point: Point) -> Manifest:
        """What the point consists of.

        Raises:
            StepError: it cannot be read, or a part of it is missing or another one.
        """
        text = self.run(self.tool.dump(point.manifest, MANIFEST))
        try:
            found = Manifest.model_validate_json(text)
        except ValidationError:
            raise StepError(
                "restore", f"the manifest of {point.id} is damaged", advice="take another point"
            ) from None
        for part in found.parts:
            if sum(snapshot.startswith(part.snapshot) for snapshot in point.snapshots) != 1:
                raise StepError(
                    "restore",
                    f"{point.id}: the {part.name} part is not what its manifest says",
                    advice="take another point; `rollout backup check ENV` tells what is damaged",
                )
        return found

    def listing(self, manifest: Manifest, name: str) -> Listing:
        """What a bucket had when the point was taken."""
        part = manifest.part(name)
        return Listing.model_validate_json(self.run(self.tool.dump(part.snapshot, part.path)))

    def find(self, wanted: str) -> Point:
        """The point of that name, or with "latest" the newest that was not taken by a restore."""
        points = self.points()
        if not points:
            raise StepError(
                "restore",
                f"{self.name} holds no restore point of {self.site.name}",
                advice=f"rollout backup {self.site.name}",
            )
        if wanted == "latest":
            return latest(points) or points[-1]
        for point in points:
            if point.id == wanted:
                return point
        raise StepError(
            "restore",
            f"no restore point {wanted!r}; the newest are: "
            + ", ".join(point.id for point in points[-5:]),
            advice=f"rollout backup list {self.site.name}",
        )

    def save_folders(
        self,
        folders: Sequence[Path],
        tags: Sequence[str],
        on_line: OnLine,
        *,
        mounted: bool = False,
    ) -> Saved:
        """A snapshot of the folders. What is deleted while it runs is no fault."""
        command = self.tool.backup(folders, host=self.site.name, tags=tags, mounted=mounted)
        try:
            printed = self.run(command, on_line, lambda error: error)
        except CommandFailed as error:
            if not restic.misses_nothing(error.output):
                raise self.trouble(error) from None
            printed = error.printed
        return restic.parse_saved(printed)

    def trouble(self, error: CommandFailed) -> StepError:
        """The failure in one sentence with what to do about it."""
        said = restic.why(error.output)
        text = error.output
        if "wrong password" in text or "no key found" in text:
            return StepError(
                STEP,
                f"the repository {self.name} does not open with the saved password",
                advice="it was made with another one: restore the block backup-repository from "
                "the recovery kit, set PREFECT_API_URL of the server that has it, or name another "
                "place in backup.repository",
            )
        if "Is there a repository" in text or "unable to open config file" in text:
            return RepositoryAway(
                STEP,
                f"no repository answers at {self.name}: {said}",
                advice="mount or start it; if it is lost, name another place in backup.repository",
                passes=self._silent(),
            )
        if "no space left on device" in text or "disk quota exceeded" in text:
            restores = "restore" in error.command.words
            if folder := restic.full_of_temporary(text):
                return self.full(f"restic's own files in {folder} (TMPDIR), not in the repository")
            return self.full("what is restored" if restores else self.name)
        if holder := restic.locked_by(text):
            return StepError(
                STEP, f"{self.name} is in use by {holder}", advice="try again when it has ended"
            )
        cause = f"{error.command.words[0]}: {error.reason}: {said}"
        return StepError(STEP, cause, passes=self._silent())

    def full(self, place: str) -> StepError:
        return StepError(
            STEP,
            f"no space left for {place}",
            advice="make room; nothing was lost, the next backup goes on from here",
        )

    @contextmanager
    def _watched(self) -> Generator[None]:
        if not restic.server(self.tool.repository):
            yield
            return
        cause = f"no repository answers at {self.name}, for {silence.longest_s():g} s"
        error = StepError(STEP, cause, advice="start it; a new run goes on from here", passes=True)
        with silence.watched(self._answers, error):
            yield

    def _answers(self) -> bool:
        return not self._silent()

    def _silent(self) -> bool:
        """Whether the server that the repository is on does not answer now."""
        url = restic.server(self.tool.repository)
        try:
            return bool(url) and curl.ask(self.site.node, {"url": url}, ANSWER_S).status in AWAY
        except curl.NoAnswer as error:
            return error.passes

    def _patient(self, work: Callable[[], str], explain: Explain) -> str:
        holder: str | None = ""

        def unlocked() -> str:
            nonlocal holder
            try:
                with self._watched():
                    return work()
            except CommandFailed as error:
                if holder := restic.locked_by(error.output):
                    # A dead run's lock is removed; a living one's stays and is waited for.
                    self.site.node.attempt(self.tool.unlock())
                raise

        try:
            return despite(
                lambda error: isinstance(error, CommandFailed) and bool(holder),
                unlocked,
                within_s=self.site.within(LOCK_WITHIN_S),
                every_s=RETRY_S,
                waiting=lambda: f"backup: waiting for {holder} to leave the repository",
            )
        except CommandFailed as error:
            raise explain(error) from None


def points_of(snapshots: Sequence[Snapshot]) -> list[Point]:
    """Whole points only: a manifest, and as many other snapshots as it says there are."""
    parts: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        parts.setdefault(snapshot.tag("point"), []).append(snapshot)
    found: list[Point] = []
    for name, members in parts.items():
        manifests = [member for member in members if member.tag("part") == "manifest"]
        if len(manifests) == 1 and manifests[0].tag("parts") == str(len(members) - 1):
            found.append(_point(name, manifests[0], members))
    return sorted(found, key=lambda point: point.created)


def open_repository(site: Site, *, create: bool) -> Repository:
    """The environment's repository; with `create` made if this is the first backup.

    A password is saved before anything is encrypted with it, and a repository that was there
    once is never made anew: it may only be away.

    Raises:
        StepError: none is configured, or it does not open.
    """
    url = site.environment.backup.repository
    if not url:
        raise StepError(
            STEP,
            f"{site.name} has no repository",
            advice="set backup.repository in the environment's file",
        )
    access = repository_access.load(site)
    if access is None:
        if not create:
            raise StepError(
                STEP, f"{site.name} was never backed up", advice=f"rollout backup {site.name}"
            )
        access = new()
        if not configured():
            _require_none(site, access)
        repository_access.save(site, access)
    repository = Repository(site, tool(program(site.node, "restic"), site, access), access)
    if access.initialised != url and create:
        _initialise(repository)
        repository_access.save(site, access.model_copy(update={"initialised": url}))
    return repository


def _require_none(site: Site, access: BackupRepository) -> None:
    """Where a repository is, somebody has its password: most likely a Prefect server.

    Raises:
        StepError: there is one.
    """
    _is_there(Repository(site, tool(program(site.node, "restic"), site, access), access))


def require_recent(repository: Repository, now: datetime) -> Point:
    """The newest point that was not taken by a restore.

    Raises:
        StepError: it is older than `backup.window_h`, or there is none.
    """
    site, window_h = repository.site, repository.site.environment.backup.window_h
    newest = latest(repository.points())
    age_h = (now - newest.created).total_seconds() / 3600 if newest else None
    if newest and age_h is not None and age_h <= window_h:
        return newest
    last = f"the last is {newest.id}, {age_h:.1f} h old" if newest else "there is none at all"
    raise StepError(
        STEP,
        f"NO BACKUP of {site.name} within {window_h:g} h: {last}",
        advice=f"look at the runs of backup/{site.name}; is a worker running? "
        f"rollout backup {site.name}",
    )


def _initialise(repository: Repository) -> None:
    if not _is_there(repository):
        repository.run(repository.tool.init())
        log.info("backup: made the repository %s", repository.name)


def _is_there(repository: Repository) -> bool:
    """Whether there is one that opens.

    Raises:
        StepError: it does not open, or the server it would be on does not answer.
    """
    try:
        repository.snapshots()
    except RepositoryAway as error:
        if error.passes:
            raise
        return False
    return True


def tool(program: str, site: Site, access: BackupRepository) -> Restic:
    """The program restic, with what opens the environment's repository."""
    return access.tool(site.environment.backup, program, given_credentials(site.environment))


def _point(name: str, manifest: Snapshot, members: Sequence[Snapshot]) -> Point:
    return Point(
        id=name,
        created=datetime.fromisoformat(manifest.tag("created")),
        reason=manifest.tag("reason"),
        release=manifest.tag("release"),
        size=int(manifest.tag("size") or 0),
        added=int(manifest.tag("added") or 0),
        seconds=float(manifest.tag("seconds") or 0),
        manifest=manifest.id,
        snapshots=tuple(member.id for member in members),
    )
