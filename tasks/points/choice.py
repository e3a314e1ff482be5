"""What to restore and from where, once it is known to fit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import StepError
from config.rules.restore_point import Manifest, Point
from tasks.core.site import Site
from tasks.points import buckets
from tasks.points.replaced import DATABASES
from tasks.points.repository import Repository

STEP = "restore"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for beside the point, as words of the command line.

    `only`: parts, none means all. `release`: Dify's version where it is not the file's. `migrate`:
    whether that may move the point's schema up.
    """

    only: tuple[str, ...] = ()
    release: str = ""
    migrate: bool = False

    def words(self) -> list[str]:
        release = ["--release", self.release] if self.release else []
        migrate = ["--migrate"] if self.migrate else []
        return [*release, *migrate, *(word for part in self.only for word in ("--only", part))]


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
        options: Options,
        file: str = "",
    ) -> None:
        self.repository = repository
        self.point = point
        self.manifest = manifest
        self.parts = tuple(parts)
        self.options = options
        self.file = file

    @property
    def source(self) -> str:
        """The environment the point is of."""
        return self.repository.site.name


def choose(
    site: Site,
    repository: Repository,
    point: str,
    only: Sequence[str],
    *,
    release: str = "",
    migrate: bool = False,
) -> Choice:
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
    options = Options(tuple(only), release, migrate)
    held = [part.name for part in manifest.parts if part.kind == "objects"]
    known = (*DATABASES, *(name for name in manifest.folders if name != "stack"), *held)
    if not only:
        _require_same_storage(site, manifest)
        return Choice(repository, found, manifest, known, options)
    file = next((word for word in only if "/" in word), "")
    unknown = [word for word in only if word not in known and word != file]
    if unknown or (file and len(only) > 1) or (file and file.partition("/")[0] not in known):
        raise StepError(
            STEP,
            f"no part {', '.join(unknown or [file])!r} to restore",
            advice=f"one of {', '.join(known)}, or one file, like storage/upload_files/…",
        )
    return Choice(repository, found, manifest, only, options, file)


def again(site: Site, choice: Choice, options: Options) -> str:
    """The command that restores the same once more, with these options."""
    foreign = ["--from", choice.source] if choice.source != site.name else []
    return " ".join(["rollout restore", site.name, choice.point.id, *foreign, *options.words()])


def places(site: Site, choice: Choice) -> dict[str, Path]:
    """Folder in the point → where it belongs here."""
    return {
        choice.manifest.folders[name]: site.environment.dify.data / site.release.state[name].path
        for name in choice.parts
        if name not in DATABASES and name in choice.manifest.folders
    }


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


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
