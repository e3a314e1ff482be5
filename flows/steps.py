"""The steps of a rollout as Prefect tasks: name, retries, timeout, logging, and nothing else."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.tasks import Task

from config.desired.restore_point import Point
from config.desired.services import images as wanted_images
from config.errors import RolloutError
from flows.transfers import transfers
from tasks import housekeeping
from tasks.backup import Backup, Reason, Told
from tasks.backup import backup as take_point
from tasks.backup import check as check_all
from tasks.bundle import write
from tasks.drill import Drill
from tasks.drill import drill as rehearse
from tasks.health import attend as health
from tasks.load import extract, opened
from tasks.load import load as load_bundle
from tasks.preflight import preflight as find
from tasks.preflight import require
from tasks.proof import prove
from tasks.repository import open_repository, require_recent
from tasks.restore import Choice, Restored
from tasks.restore import choose as choose_point
from tasks.restore import restore as bring_back
from tasks.restore import settle as let_go
from tasks.rollout import carry_out
from tasks.rollout import plan as look
from tasks.site import Site
from tasks.step import Outcome
from tasks.tools.bundle import Contents
from tasks.verify import Check

log = logging.getLogger("rollout")

RolloutTask = Task[..., Any]


def _told(work: Callable[..., Any], name: str) -> RolloutTask:
    """A task that ends as Failed with one readable sentence instead of a traceback."""

    @wraps(work)
    def told(site: Site, *args: Any, **options: Any) -> Any | State[Any]:
        try:
            return work(site, *args, **options)
        except RolloutError as error:
            log.error("%s", error)
            return Failed(message=str(error), data=error)

    return Task(
        told,
        name=name,
        task_run_name=name + " {site.name}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def finish(step: RolloutTask, site: Site, **options: Any) -> Any:
    """Run the step here and now; its result.

    Raises:
        RolloutError: what it failed with. (A task that returns a state is not raised by Prefect.)
    """
    state = step(site, return_state=True, **options)
    result = state.result(raise_on_failure=False)
    if isinstance(result, Exception):
        raise result
    return result


def _step(
    name: str, around: Callable[[Site], AbstractContextManager[Any]] = nullcontext
) -> RolloutTask:
    """The task of one step of a rollout."""

    def run(site: Site) -> Outcome:
        with around(site):
            return carry_out(site, name)

    return _told(run, name)


def _preflight(site: Site) -> None:
    require(find(site))
    log.info("preflight: fine")


def _verify(site: Site, *, changed: bool) -> list[Check]:
    checks = prove(site, changed=changed)
    log.info("verify: %d of %d checks passed", len(checks), len(checks))
    return checks


def _backup(site: Site, *, reason: Reason, told: Told) -> Backup:
    return take_point(site, open_repository(site, create=True), reason=reason, told=told)


def _points(site: Site, *, check: bool, told: Told) -> list[Point]:
    repository = open_repository(site, create=False)
    if check:
        check_all(repository, "all", told)
    return repository.points()


def _choose(site: Site, *, source: Site, point: str, only: list[str]) -> Choice:
    return choose_point(site, open_repository(source, create=False), point, only)


def _restore(site: Site, *, choice: Choice, told: Told) -> Restored:
    return bring_back(site, choice, partial(open_repository, site, create=True), told=told)


def _settle(site: Site, *, choice: Choice) -> None:
    let_go(site, choice)


def _watch(site: Site, *, now: datetime) -> Point:
    return require_recent(open_repository(site, create=False), now)


def _drill(site: Site, *, choice: Choice, told: Told) -> Drill:
    return rehearse(site, choice, told=told)


def _bundle(site: Site, *, file: Path, extra: list[Path]) -> Contents:
    """The bundle of what the first node has."""
    wanted = list(wanted_images(site.environment, site.release).values())
    release = site.release.version
    with transfers(site):
        return write(site.docker, wanted, file, environment=site.name, release=release, extra=extra)


def _load(site: Site, *, file: Path, extra_to: Path | None) -> dict[str, list[str]]:
    """What of the bundle had to be sent to each node."""
    bundle = opened(file)
    if extra_to:
        extract(bundle, extra_to)
    with transfers(site):
        return load_bundle(bundle, {each.node.name: each.docker for each in site.on_each()})


preflight = _told(_preflight, "preflight")
plan = _told(look, "plan")
bootstrap = _step("bootstrap")
configure = _step("configure")
install = _step("install")
docker = _step("docker")
pgsql = _step("pgsql")
redis = _step("redis")
images = _step("images", around=transfers)
bundle = _told(_bundle, "bundle")
load = _told(_load, "load")
prune = _told(housekeeping.prune, "prune")
settings = _step("settings")
migrate = _step("migrate")
compose = _step("compose")
portal = _step("portal")
hosts = _step("hosts")
verify = _told(_verify, "verify")
attend = _told(health.attend, "health")
glance = _told(health.glance, "health")
backup = _told(_backup, "backup")
points = _told(_points, "points")
choose = _told(_choose, "choose")
restore = _told(_restore, "restore")
settle = _told(_settle, "settle")
drill = _told(_drill, "drill")
watch = _told(_watch, "watch")
