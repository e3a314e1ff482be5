"""The Dify to take over: the only one on the machine, or the one of that name."""

from clients.docker_stacks import Stacks
from config.errors import StepError
from tasks.adoption.origin import API, STEP, Origin
from tasks.core import adoption_mark
from tasks.core.engine import usable
from tasks.core.site import Site


def find(site: Site, project: str) -> Origin:
    """The Dify that was taken over or begun with, else that of `project`, else the only other one.

    Raises:
        StepError: there is none, there are several, or it is the environment's own.
    """
    mark = adoption_mark.read(site)
    wanted = mark.project if mark else project
    own = site.environment.dify.project
    if wanted == own:
        raise StepError(
            STEP,
            f"the compose project {own} is the name that {site.name} has for its own containers",
            advice=f"set dify.project in config/environments/{site.name}.toml to another name",
        )
    name = wanted or _only(site, own)
    members = tuple(Stacks(site.node).members(name))
    if made_by := next((each.environment for each in members if each.environment), ""):
        raise StepError(
            STEP,
            f"the compose project {name} is of the environment {made_by}, not somebody else's",
            advice=f"rollout restore {site.name} --from {made_by} copies what that has",
        )
    return Origin(name, members)


def _only(site: Site, own: str) -> str:
    if not usable(site):
        raise StepError(
            STEP,
            f"no Docker Engine answers on {site.node.name}, so there is no Dify to be found",
            advice=f"rollout plan {site.name} says why",
        )
    found = [name for name in Stacks(site.node).projects(API) if name != own]
    if len(found) == 1:
        return found[0]
    if not found:
        raise StepError(
            STEP,
            f"{site.node.name} has no other Dify in containers of a compose project",
            advice=f"rollout deploy {site.name} sets up a new one",
        )
    raise StepError(
        STEP,
        f"{site.node.name} has several: {', '.join(found)}",
        advice=f"say which: rollout adopt {site.name} --project {found[0]}",
    )
