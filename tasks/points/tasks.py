"""What is done with restore points, as Prefect tasks."""

from datetime import datetime
from functools import partial

from config.rules.restore_point import Manifest, Point, Reason
from tasks.core import upgrade_mark
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.points import backup as backups
from tasks.points import drill as drills
from tasks.points import fits, pitr, recovery_kit
from tasks.points import repository as repositories
from tasks.points import restore as restores
from tasks.points.backup import Backup, OnProgress
from tasks.points.choice import Choice
from tasks.points.choice import choose as choose_point
from tasks.points.drill import Drill
from tasks.points.pitr import Loss, WentBack
from tasks.points.repository import Repository
from tasks.points.restore import Restored
from tasks.points.way_back import WayBack
from tasks.steps.table import DAY_S, HOUR_S


@task("repository", within_s=HOUR_S)
def open_repository(site: Site, *, create: bool) -> Repository:
    """Open the backup repository; with `create` it is made if there is none yet."""
    return repositories.open_repository(site, create=create)


@task("save", within_s=DAY_S)
def save_point(
    site: Site, repository: Repository, *, reason: Reason, on_progress: OnProgress
) -> Manifest:
    """Save databases, files and secrets at once, and last the manifest that makes them a point."""
    return backups.take(site, repository, reason=reason, on_progress=on_progress)


@task("recovery kit", within_s=HOUR_S)
def renew_kit(site: Site, repository: Repository, manifest: Manifest) -> str:
    """Encrypt what opens the repository for the people of backup.recipients."""
    return recovery_kit.renew(site, repository, manifest.created)


@task("check repository", within_s=DAY_S)
def check_repository(
    site: Site, repository: Repository, manifest: Manifest, *, on_progress: OnProgress
) -> str:
    """Read back the part of the repository's data whose turn it is; which part that was."""
    return backups.check(repository, backups.subset(site, manifest.created), on_progress)


@task("prune points", within_s=DAY_S)
def prune_points(
    site: Site, repository: Repository, manifest: Manifest, *, checked: str, kit: str
) -> Backup:
    """Let go of the points that retention does not keep, unless the new one looks wrong."""
    return backups.tidied(repository, manifest, checked=checked, kit=kit)


@task("check all", within_s=DAY_S)
def check_all(site: Site, repository: Repository, *, on_progress: OnProgress) -> None:
    """Read and verify all data of the repository."""
    backups.check(repository, "all", on_progress)


@task("list points", within_s=HOUR_S)
def list_points(site: Site, repository: Repository) -> tuple[list[Point], dict[str, str]]:
    """List the restore points, and why each of them is kept."""
    found = repository.points()
    return found, backups.retained(site, found)


@task("watch", within_s=HOUR_S)
def require_recent(site: Site, repository: Repository, *, now: datetime) -> Point:
    """Fail if the newest good restore point is too old."""
    return repositories.require_recent(repository, now)


@task("choose", within_s=HOUR_S)
def choose(
    site: Site,
    *,
    source: Site,
    point: str,
    only: list[str],
    release: str = "",
    migrate: bool = False,
) -> Choice:
    """Find the point in its repository, and refuse one that does not fit the environment."""
    repository = repositories.open_repository(source, create=False)
    return choose_point(site, repository, point, only, release=release, migrate=migrate)


@task("fits", within_s=HOUR_S)
def require_fits(site: Site, *, choice: Choice) -> None:
    """Refuse a point whose schema the release does not know or would migrate unasked."""
    fits.require_fits(site, choice)


@task("restore", within_s=DAY_S)
def restore(site: Site, *, choice: Choice, on_progress: OnProgress) -> Restored:
    """Save the state of now as a point, then exchange databases and files for the point's."""
    own = partial(repositories.open_repository, site, create=True)
    return restores.restore(site, choice, own, on_progress=on_progress)


@task("settle", within_s=HOUR_S)
def settle(site: Site, *, choice: Choice) -> str:
    """Keep what the restore replaced as long as the environment says, now that it is proved.

    With the database goes the mark of an upgrade: there is none to go back from any more.
    """
    if "database" in choice.parts:
        upgrade_mark.forget(site)
    return restores.settle(site)


@task("way back", within_s=DAY_S)
def take_back(site: Site, *, way_back: WayBack, error: Exception) -> None:
    """Let serve again what served before the restore; fails with the reasons of both."""
    raise way_back.failed(error)


@task("preview", within_s=HOUR_S)
def preview_loss(site: Site, *, target: datetime) -> Loss:
    """List what going back to a moment would undo."""
    return pitr.preview(site, repositories.open_repository(site, create=False), target)


@task("pitr", within_s=DAY_S)
def go_back(site: Site, *, target: datetime) -> WentBack:
    """Save the state of now as a point, then take the whole cluster back to a moment."""
    return pitr.go_back(site, target, partial(repositories.open_repository, site, create=True))


@task("drill", within_s=DAY_S)
def drill(site: Site, *, choice: Choice, on_progress: OnProgress) -> Drill:
    """Restore a point beside the environment, use it, and throw it away."""
    return drills.drill(site, choice, on_progress=on_progress)
