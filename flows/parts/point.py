"""Taking a restore point, each part of it in a task of its own."""

from contextlib import closing

from config.rules.restore_point import Manifest, Reason
from flows.parts.graph import Graph
from tasks.points import tasks
from tasks.points.backup import OnProgress
from tasks.points.repository import Repository
from tasks.points.what_ran import Ran


def take_point(
    graph: Graph,
    repository: Repository,
    reason: Reason,
    on_progress: OnProgress,
    ran: Ran | None = None,
) -> Manifest:
    """The manifest of a new point, whose parts were saved side by side.

    `ran`: what runs, where it is not the environment's own stack.
    """
    how = {"reason": reason, "on_progress": on_progress, "ran": ran}
    begun = graph.run(tasks.begin_point, repository, **how)
    with closing(begun) as taking:
        parts = graph.each(tasks.save_part, taking.parts, taking=taking)
    return graph.run(tasks.save_manifest, taking=taking, parts=parts)
