"""The way back of an adoption: the other Dify, and the one that the environment had itself."""

from flows.parts.bring_back import bring_back
from flows.parts.graph import Graph
from tasks.adoption import tasks
from tasks.core.adoption_mark import Adoption
from tasks.core.site import Site
from tasks.points import tasks as points


def go_back(graph: Graph, site: Site) -> tuple[Adoption, str]:
    """The adoption that was gone back from, and a sentence on the environment's own Dify.

    The sentence is empty where there was none.
    """
    mark = graph.run(tasks.back_to_origin)
    if not mark.own:
        return mark, ""
    had = f"the Dify that {site.name} had itself"
    if not mark.pending:
        back = f"rollout restore {site.name} {mark.own_point}"
        return mark, f"{had} before is its restore point {mark.own_point}: {back}"
    if mark.own_point:
        choice = graph.run(points.choose, source=site, point=mark.own_point, only=[])
        bring_back(graph, site, choice)
        graph.run(tasks.end_way_back)
    came = f" of its restore point {mark.own_point}" if mark.own_point else ""
    return mark, f"{had} serves again, with its own data{came}"
