"""What is done with restore points, as Prefect tasks."""

from datetime import datetime
from functools import partial

from config.rules.restore_point import Point, Reason
from flows.parts.tasks import step
from tasks.core.site import Site
from tasks.points import pitr
from tasks.points.backup import Backup, Told, retained
from tasks.points.backup import backup as take_point
from tasks.points.backup import check as check_all
from tasks.points.choice import Choice
from tasks.points.choice import choose as choose_point
from tasks.points.drill import Drill
from tasks.points.drill import drill as rehearse
from tasks.points.fits import require_fits
from tasks.points.pitr import Loss, WentBack
from tasks.points.repository import open_repository, require_recent
from tasks.points.restore import Restored
from tasks.points.restore import restore as bring_back
from tasks.points.restore import settle as let_go
from tasks.points.way_back import WayBack


def _backup(site: Site, *, reason: Reason, told: Told) -> Backup:
    return take_point(site, open_repository(site, create=True), reason=reason, told=told)


def _points(site: Site, *, check: bool, told: Told) -> tuple[list[Point], dict[str, str]]:
    """All points, and why each of them is kept."""
    repository = open_repository(site, create=False)
    if check:
        check_all(repository, "all", told)
    found = repository.points()
    return found, retained(site, found)


def _choose(
    site: Site,
    *,
    source: Site,
    point: str,
    only: list[str],
    release: str = "",
    migrate: bool = False,
) -> Choice:
    repository = open_repository(source, create=False)
    return choose_point(site, repository, point, only, release=release, migrate=migrate)


def _require_fits(site: Site, *, choice: Choice) -> None:
    require_fits(site, choice)


def _restore(site: Site, *, choice: Choice, told: Told) -> Restored:
    return bring_back(site, choice, partial(open_repository, site, create=True), told=told)


def _loss(site: Site, *, target: datetime) -> Loss:
    return pitr.preview(site, open_repository(site, create=False), target)


def _go_back(site: Site, *, target: datetime) -> WentBack:
    return pitr.go_back(site, target, partial(open_repository, site, create=True))


def _settle(site: Site) -> str:
    return let_go(site)


def _take_back(_: Site, *, way_back: WayBack, error: Exception) -> None:
    """What served before the restore serves again, where something did; fails with both reasons."""
    raise way_back.failed(error)


def _watch(site: Site, *, now: datetime) -> Point:
    return require_recent(open_repository(site, create=False), now)


def _drill(site: Site, *, choice: Choice, told: Told) -> Drill:
    return rehearse(site, choice, told=told)


backup = step(_backup, "backup")
points = step(_points, "points")
choose = step(_choose, "choose")
fits = step(_require_fits, "fits")
restore = step(_restore, "restore")
loss = step(_loss, "preview")
go_back = step(_go_back, "pitr")
settle = step(_settle, "settle")
take_back = step(_take_back, "way back")
drill = step(_drill, "drill")
watch = step(_watch, "watch")
