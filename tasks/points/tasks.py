"""What is done with restore points, as Prefect tasks."""

from datetime import datetime
from functools import partial
from itertools import chain

from config.rules.restore_point import Manifest, Part, Point, Reason
from tasks.core import upgrade_mark
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.points import archive, fits, pitr, recovery_kit
from tasks.points import backup as backups
from tasks.points import repository as repositories
from tasks.points import restore as restores
from tasks.points.backup import Backup, OnProgress
from tasks.points.choice import Choice
from tasks.points.choice import choose as choose_point
from tasks.points.drill import Drill, Drilling
from tasks.points.goal import Goal
from tasks.points.pitr import Loss, WentBack
from tasks.points.repository import Repository
from tasks.points.restore import Restored, Restoring
from tasks.points.taking import Taking
from tasks.points.way_back import WayBack
from tasks.points.what_ran import Ran
from tasks.steps.table import DAY_S, HOUR_S


@task("repository", within_s=HOUR_S, retries=True)
def open_repository(site: Site, *, create: bool) -> Repository:
    """Open the backup repository; with `create` it is made if there is none yet."""
    return repositories.open_repository(site, create=create)


@task("views", within_s=HOUR_S, retries=True)
def begin_point(
    site: Site,
    repository: Repository,
    *,
    reason: Reason,
    on_progress: OnProgress,
    ran: Ran | None = None,
) -> Taking:
    """Hold a view of both databases as they are now, so that a point's parts are of one moment."""
    return Taking(site, repository, reason=reason, on_progress=on_progress, ran=ran)


@task("save", within_s=DAY_S, retries=True, each="part")
def save_part(site: Site, part: str, *, taking: Taking) -> list[Part]:
    """Save one part of the point: a database, the files, or a bucket."""
    return taking.save(part)


@task("manifest", within_s=HOUR_S, retries=True)
def save_manifest(site: Site, *, taking: Taking, parts: list[list[Part]]) -> Manifest:
    """Save what the point consists of, which makes it one, and read that back."""
    return taking.manifest(chain.from_iterable(parts))


@task("recovery kit", within_s=HOUR_S)
def renew_kit(site: Site, repository: Repository, manifest: Manifest) -> str:
    """Encrypt what opens the repository for the people of backup.recipients."""
    return recovery_kit.renew(site, repository, manifest.created)


@task("check repository", within_s=DAY_S, retries=True)
def check_repository(
    site: Site, repository: Repository, manifest: Manifest, *, on_progress: OnProgress
) -> str:
    """Read back the part of the repository's data whose turn it is; which part that was."""
    return backups.check(repository, backups.subset(site, manifest.created), on_progress)


@task("prune points", within_s=DAY_S, retries=True)
def prune_points(
    site: Site, repository: Repository, manifest: Manifest, *, checked: str, kit: str
) -> Backup:
    """Let go of the points that retention does not keep, unless the new one looks wrong."""
    return backups.tidied(repository, manifest, checked=checked, kit=kit)


@task("check all", within_s=DAY_S, retries=True)
def check_all(site: Site, repository: Repository, *, on_progress: OnProgress) -> None:
    """Read and verify all data of the repository."""
    backups.check(repository, "all", on_progress)


@task("list points", within_s=HOUR_S, retries=True)
def list_points(site: Site, repository: Repository) -> tuple[list[Point], dict[str, str]]:
    """List the restore points, and why each of them is kept."""
    found = repository.points()
    return found, backups.retained(site, found)


@task("watch", within_s=HOUR_S, retries=True)
def require_recent(site: Site, repository: Repository, *, now: datetime) -> Point:
    """Fail if the newest good restore point is too old."""
    return repositories.require_recent(repository, now)


@task("choose", within_s=HOUR_S, retries=True)
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


@task("fits", within_s=HOUR_S, retries=True)
def require_fits(site: Site, *, choice: Choice) -> None:
    """Refuse a point whose schema the release does not know or would migrate unasked."""
    fits.require_fits(site, choice)


@task("restore file", within_s=DAY_S)
def restore_file(site: Site, *, choice: Choice) -> Restored:
    """Bring back one file, while the stack goes on running; the one there now stays beside it."""
    return restores.one_file(site, choice)


@task("begin restore", within_s=HOUR_S)
def begin_restore(site: Site, *, choice: Choice, on_progress: OnProgress) -> Restoring:
    """Note what serves now, for the way back, and clear away what a dead restore left."""
    own = partial(repositories.open_repository, site, create=True)
    return Restoring(site, choice, own, on_progress=on_progress)


@task("restore", within_s=DAY_S, each="part")
def fill(site: Site, part: str, *, restoring: Restoring) -> None:
    """Restore one part, a database, the files or a bucket, beside what serves."""
    restoring.fill(part)


@task("stop services", within_s=HOUR_S)
def stop_services(site: Site, *, restoring: Restoring) -> None:
    """Stop Dify: from here on nothing writes."""
    restoring.stop()


@task("safety point", within_s=DAY_S)
def save_current(site: Site, *, restoring: Restoring) -> str:
    """Save the state that is about to be replaced as a point of its own."""
    return restoring.save_current()


@task("exchange", within_s=DAY_S)
def exchange(site: Site, *, restoring: Restoring) -> None:
    """Put databases and files in place by renaming, and keep aside what was there."""
    restoring.exchange()


@task("secrets", within_s=HOUR_S)
def adopt(site: Site, *, restoring: Restoring) -> Restored:
    """Make what came this environment's own, with the secrets that belong to the data."""
    return restoring.adopt()


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
def go_back(site: Site, *, goal: Goal) -> WentBack:
    """Save the state of now as a point, then take the whole cluster back to a moment."""
    return pitr.go_back(site, goal, partial(repositories.open_repository, site, create=True))


@task("way to the goal", within_s=HOUR_S)
def require_goal(site: Site, *, goal: Goal) -> None:
    """Ask whether the archive of the cluster leads to where it should go back to."""
    pitr.require(site, goal)


@task("physical backup", within_s=DAY_S)
def back_up(site: Site) -> str:
    """Take a physical backup of a cluster that went back, and say why where that fails."""
    return archive.back_up(site)


@task("begin drill", within_s=HOUR_S)
def begin_drill(site: Site, *, choice: Choice, on_progress: OnProgress) -> Drilling:
    """Clear away what a dead drill left, and mark the Redis databases as a drill's."""
    return Drilling(site, choice, on_progress)


@task("drill", within_s=DAY_S, retries=True, each="part")
def fill_drill(site: Site, part: str, *, drilling: Drilling) -> None:
    """Restore one part, a database or the files, aside."""
    drilling.fill(part)


@task("start drill", within_s=HOUR_S, retries=True)
def start_drill(site: Site, *, drilling: Drilling) -> None:
    """Start a stack of the point's data that acts on nothing outside."""
    drilling.start()


@task("prove drill", within_s=DAY_S)
def prove_drill(site: Site, *, drilling: Drilling) -> Drill:
    """Check rows, files, keys and logins of what was restored, and measure how long it took."""
    return drilling.prove()


@task("clear drill", within_s=HOUR_S, retries=True)
def clear_drill(site: Site, *, drilling: Drilling) -> None:
    """Throw away everything of the drill."""
    drilling.clear()
