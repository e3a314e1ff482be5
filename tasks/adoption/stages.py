"""From one stage of an adoption to the next: the other Dify is saved, stopped, removed."""

from collections.abc import Iterable
from datetime import UTC, datetime

from clients.docker_stacks import Member, Stacks
from config.errors import StepError
from tasks.adoption import files
from tasks.adoption.find import find
from tasks.adoption.left_over import left_over
from tasks.adoption.origin import STEP, Origin
from tasks.adoption.plan import Seen, as_read, obstacles
from tasks.adoption.queues import drain
from tasks.core import adoption_mark
from tasks.core.adoption_mark import Adoption, Stage
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.points.what_ran import Ran
from tasks.steps import revisions
from tasks.steps.containers import running_services

# They bring work in: without them the queues run empty.
ENTRIES = ("nginx", "web", "worker_beat")
STOP_S = 60


def require_free(seen: Seen) -> None:
    """Nothing stands in the way.

    Raises:
        StepError: everything that does, one line each.
    """
    found = obstacles(seen)
    if len(found) == 1:
        raise StepError(STEP, found[0].why, advice=found[0].do)
    if found:
        lines = "\n  ".join(map(str, found))
        raise StepError(STEP, f"{len(found)} things stand in the way\n  {lines}")


def other_site(site: Site, origin: Origin) -> Site:
    """The other Dify as a site whose restore points can be taken."""
    files.copy(site, origin)
    return as_read(site, origin)


def ran(origin: Origin) -> Ran:
    """What runs there, for a restore point."""
    images = {each.image: each.image_id for each in origin.members}
    return Ran(origin.version, images, (f"of the Dify in {origin.folder}",))


def woken(site: Site, origin: Origin) -> Origin:
    """The other Dify; what holds its state runs."""
    asleep = [each for each in origin.keepers if not each.runs]
    for each in asleep:
        site.docker.start(each.id)
    return find(site, origin.project) if asleep else origin


def begin(site: Site, origin: Origin, *, point: str, proved: str, keep_days: int) -> Adoption:
    """From now on the other Dify may be stopped, and there is a point of it as it was."""
    mark = Adoption(
        project=origin.project,
        folder=origin.folder,
        version=origin.version,
        point=point,
        proved=proved,
        restarts={each.name: each.restart for each in origin.members if each.runs},
        keep_days=keep_days,
        own=tuple(running_services(site)),
    )
    return adoption_mark.write(site, mark)


def stop_writers(site: Site, origin: Origin, there: Site) -> None:
    """Nothing writes into the state of the other Dify, which still runs, and no job waits there.

    Raises:
        StepError: jobs still wait, and would be lost.
    """
    mark = current(site)
    if not mark.stopped:
        adoption_mark.write(site, mark, stopped=adoption_mark.now())
    keepers = {each.id for each in origin.keepers}
    _stop(site, origin.named(*ENTRIES))
    if any(each.runs for each in origin.named("worker")):
        drain(there)
    _stop(site, [each for each in origin.members if each.id not in keepers])


def serve(site: Site) -> None:
    """This environment passed its checks: what is written from now on is written here."""
    revisions.remember(site)
    adoption_mark.write(site, current(site), stage=Stage.DONE, opened=adoption_mark.now())


def end(site: Site, origin: Origin) -> Adoption:
    """Nothing of the other Dify runs, what held its state included."""
    _stop(site, origin.members)
    files.remove(site)
    return current(site)


def finish(site: Site) -> tuple[Adoption, list[str]]:
    """No container or network of the other Dify is left; what does stay, a sentence each.

    Raises:
        StepError: it has not been taken over, the way back is to be kept longer, or it runs.
    """
    mark = current(site)
    adoption_mark.require_none(site)
    if datetime.now(UTC) < mark.kept_until:
        raise StepError(
            STEP,
            f"the way back to the Dify in {mark.folder} is to be kept until "
            f"{mark.kept_until:%Y-%m-%d %H:%M} UTC, {mark.keep_days} days after it was taken over",
            advice="wait until then",
        )
    members = Stacks(site.node).members(mark.project)
    if running := [each.name for each in members if each.runs]:
        raise StepError(
            STEP,
            f"{', '.join(running)} of the Dify that was taken over run",
            advice=f"stop them, or go back to it: rollout adopt {site.name} --back",
        )
    left = left_over(site, Origin(mark.project, tuple(members)))
    for each in members:
        site.docker.remove(each.id)
    site.docker.remove_networks(mark.project)
    for step in site.platform.domain_kept(site):
        converge(step, patience=site.within(1))
    adoption_mark.forget(site)
    return mark, left


def current(site: Site) -> Adoption:
    """The adoption that goes on or was done.

    Raises:
        StepError: there is none.
    """
    mark = adoption_mark.read(site)
    if mark is None:
        raise StepError(
            STEP,
            f"{site.name} has taken over no Dify that there is a way back to",
            advice=f"rollout adopt {site.name} --dry-run looks for one",
        )
    return mark


def _stop(site: Site, members: Iterable[Member]) -> None:
    """They do not run, nor start by themselves when the engine does."""
    stacks = Stacks(site.node)
    for each in members:
        stacks.set_restart(each.id, "no")
        stacks.stop(each.id, round(site.within(STOP_S)))
