"""From one stage of an upgrade to the next: its mark, who is stopped, which images stay."""

import logging
import time
from datetime import UTC, datetime

import psycopg

from clients.running import pause
from config.errors import NotKnown, StepError
from tasks.core import release_file, upgrade_mark
from tasks.core.site import Site
from tasks.core.upgrade_mark import Named, Stage, Upgrade
from tasks.points import archive, pitr
from tasks.probes.verify.run import failed, verify
from tasks.steps.containers import running_services, stop_services
from tasks.upgrades import beside, facts
from tasks.upgrades.way import Way

log = logging.getLogger("rollout")

# It answers who comes meanwhile, and writes nothing.
_STAYS = "nginx"
_WATCH_EVERY_S = 5.0
_BAD_IN_A_ROW = 2


class NotConfirmed(StepError):
    """A rollback loses what is newer than the point, and nobody said that this is meant."""


def begin(site: Site, way: Way, *, point: str, proved: str, lost: list[str]) -> Upgrade:
    """From now on there is a point to go back to."""
    ran = release_file.read(site.environment, site.node).images
    mark = Upgrade(
        old=way.hop.old,
        new=way.hop.new,
        point=point,
        proved=proved,
        images=ran,
        beside=not way.outage,
        lost=lost,
    )
    return upgrade_mark.write(site, mark)


def stop(site: Site) -> None:
    """Nothing of Dify writes any more."""
    mark = current(site)
    if not mark.stopped:
        upgrade_mark.write(site, mark, stopped=upgrade_mark.now())
    stop_services(site, [name for name in running_services(site) if name != _STAYS])


def saved(site: Site, *, point: str) -> Upgrade:
    """The point that is gone back to has all that people wrote until the stop."""
    mark = current(site)
    proved = f"taken as {mark.point} was, which is {mark.proved}"
    return upgrade_mark.write(site, mark, point=point, proved=proved, saved=True)


def named(site: Site) -> Upgrade:
    """The archive of the cluster has a restore point of the stop."""
    mark = current(site)
    found = archive.named(site, f"upgrade-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    return upgrade_mark.write(site, mark, named=found)


def change(site: Site) -> None:
    """From here on schema and data may be the new release's."""
    upgrade_mark.write(site, current(site), stage=Stage.CHANGING)


def opened(site: Site) -> None:
    """People can use the new release, which passed its checks."""
    mark = current(site)
    if not mark.opened:
        upgrade_mark.write(site, mark, opened=upgrade_mark.now())


def watch(site: Site) -> None:
    """The new release went on working for a while.

    Raises:
        StepError: what did not work twice in a row.
    """
    watch_s = site.environment.upgrade.watch_s
    log.info("upgrade: it is watched for %d s, and gone back from if it fails", watch_s)
    began, minutes, bad = time.monotonic(), 0, 0
    while (passed_s := time.monotonic() - began) < watch_s:
        if passed_s >= (minutes + 1) * 60:
            minutes = int(passed_s // 60)
            log.info("upgrade: watched for %d of %d s", passed_s, watch_s)
        error = failed(verify(site, deep=False))
        bad = bad + 1 if error else 0
        if error and bad == _BAD_IN_A_ROW:
            raise error
        pause(_WATCH_EVERY_S)


def done(site: Site) -> Upgrade:
    return upgrade_mark.write(site, current(site), stage=Stage.DONE)


def turn_back(site: Site) -> Upgrade:
    """No container of a killed upgrade goes on, and the images' names are those of what ran.

    The mark as it was: where nothing was changed yet there is nothing to restore.
    """
    mark = current(site)
    for container in site.docker.containers(site.environment.dify.project):
        if container.one_off:
            site.docker.remove(container.id)
    for each in site.on_each():
        _name_images(each, mark)
    if mark.stage is not Stage.STOPPING:
        upgrade_mark.write(site, mark, stage=Stage.BACK)
    if mark.pending and mark.beside:
        beside.lead_back_at_once(site)
    return mark


def needs_restore(site: Site, mark: Upgrade) -> bool:
    """Whether the old release, which the site has, cannot serve the data as it is.

    `mark` as it was before the way back began.
    """
    if mark.stage is Stage.STOPPING:
        return False
    return not (mark.pending and mark.beside and beside.served(site))


def forget(site: Site) -> None:
    """There is no upgrade to go on with or to go back from."""
    upgrade_mark.forget(site)


def _name_images(site: Site, mark: Upgrade) -> None:
    """A tag that was moved since names again the image that ran."""
    for reference, identity in mark.images.items():
        found = site.docker.image(reference)
        if (found is None or found.id != identity) and site.docker.image(identity):
            name, _, tag = reference.rpartition(":")
            log.info("rollback: %s is %s again", reference, identity[7:19])
            site.docker.tag(identity, name, tag)


def require_confirmed(site: Site, mark: Upgrade, *, confirm: str) -> None:
    """Whoever goes back says which environment it is, once it was said what that loses.

    Raises:
        NotConfirmed: with what is newer than the point.
    """
    if confirm == site.name:
        return
    where = _whole(site, mark) or mark.point
    raise NotConfirmed(
        "rollback",
        f"{site.name} would go back from Dify {mark.new} to {mark.old}, as it was at {where}; "
        f"newer than that: {newer(site, mark)}, which a restore point of their own keeps",
        advice=f"rollout rollback {site.name} --yes; in the UI, confirm = {site.name!r}",
    )


def _whole(site: Site, mark: Upgrade) -> str:
    """Where the whole cluster would go back to, with whose databases; empty where it does not."""
    named = _to(site, mark)
    if named is None:
        return ""
    try:
        others = ", ".join(pitr.others(site)) or "none"
    except StepError as error:
        log.warning("rollback: what else is in the cluster is not known: %s", error)
        others = "not known"
    return f"{named.name}, with its whole cluster (databases of others in it: {others})"


def _to(site: Site, mark: Upgrade) -> Named | None:
    return mark.to(site.environment.upgrade.way_back)


def newer(site: Site, mark: Upgrade) -> str:
    """What people made since what is gone back to: rows by table, as words."""
    named = _to(site, mark)
    try:
        found = facts.newer(site, named.at if named else mark.taken)
    except (NotKnown, psycopg.Error) as error:
        log.warning("rollback: what is newer than %s is not known: %s", mark.point, error)
        return "an unknown number of rows"
    return ", ".join(f"{count} {table}" for table, count in found.items()) or "no rows"


def last(site: Site) -> Upgrade:
    """The upgrade that there is to go back from.

    Raises:
        StepError: there is none, or another release was deployed since.
    """
    mark, name = upgrade_mark.read(site), site.name
    if mark is None:
        raise StepError(
            "rollback",
            f"there is no upgrade of {name} to go back from",
            advice=f"rollout backup list {name}, rollout restore {name} POINT",
        )
    runs = release_file.read(site.environment, site.node).version
    if not mark.pending and runs != mark.new:
        raise StepError(
            "rollback",
            f"{name} runs Dify {runs}, and its last upgrade was to {mark.new}",
            advice=f"rollout restore {name} {mark.point} --release {mark.old}",
        )
    return mark


def current(site: Site) -> Upgrade:
    mark = upgrade_mark.read(site)
    if mark is None:
        raise StepError(
            "upgrade",
            f"the mark of the upgrade of {site.name} is gone",
            advice=f"did a restore run meanwhile? rollout history {site.name}",
        )
    return mark
