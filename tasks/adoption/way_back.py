"""The way back of an adoption: the other Dify is started again, as it ran.

So is the environment's own, where the adoption was to replace one and has not.
"""

from clients.docker_stacks import Stacks
from clients.waiting import until
from config.errors import StepError
from tasks.adoption import files
from tasks.adoption.facts import answers
from tasks.adoption.find import find
from tasks.adoption.origin import STEP, Origin
from tasks.adoption.stages import current
from tasks.core import adoption_mark
from tasks.core.adoption_mark import Adoption
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.points.served import Served
from tasks.steps.containers import down
from tasks.steps.maintenance import close, dispensable, reopen

START_S, POLL_S = 300.0, 0.5


def go_back(site: Site) -> Adoption:
    """The other Dify runs again as it did, at its domain, and not what was taken over from it.

    Where the data of the environment's own Dify was replaced, it comes back from its point next,
    and the mark stays until then: `end`.

    Raises:
        StepError: there is no way back, or a Dify does not answer.
    """
    mark, stacks = current(site), Stacks(site.node)
    if not mark.pending:  # else the adoption has shown it, or does not have the domain yet
        with dispensable():
            close(site)
    own = Served(site, mark.own) if mark.pending and mark.own and not mark.own_point else None
    if own is None:
        down(site)
    origin = Origin(mark.project, tuple(stacks.members(mark.project)))
    keepers = {each.id for each in origin.keepers}
    for each in sorted(origin.members, key=lambda member: member.id not in keepers):
        if each.name in mark.restarts:
            stacks.set_restart(each.id, mark.restarts[each.name])
            site.docker.start(each.id)
    _require_answer(site, mark.project)
    for step in site.platform.domain_back(site):
        converge(step, patience=site.within(1))
    if mark.pending and mark.own_point:
        return mark
    if own:
        own.put_back()
    reopen(site)
    end(site)
    return mark


def end(site: Site) -> None:
    """Nothing of the adoption is left."""
    files.remove(site)
    adoption_mark.forget(site)


def _require_answer(site: Site, project: str) -> None:
    started = until(
        lambda: answers(site, find(site, project)),
        within_s=site.within(START_S),
        every_s=POLL_S,
        waiting=f"adopt: waiting for the API of {project}",
    )
    if not started:
        raise StepError(
            STEP,
            f"the Dify of the compose project {project} was started and does not answer",
            advice="look at the log of its api container, and start it by its own compose file",
        )
