"""Taking a restore point, each part of it in a task of its own."""

from contextlib import closing

from config.rules.restore_point import Manifest, Reason
from flows.parts.graph import Graph
from tasks.points import tasks
from tasks.points.backup import OnProgress
from tasks.points.repository import Repository


def take_point(
    graph: Graph, repository: Repository, reason: Reason, on_progress: OnProgress
) -> Manifest:
    """The manifest of a new point, whose parts were saved side by side."""
    begun = graph.run(tasks.begin_point, repository, reason=reason, on_progress=on_progress)
    with closing(begun) as taking:
        parts = graph.each(tasks.save_part, taking.parts, taking=taking)
    return graph.run(tasks.save_manifest, taking=taking, parts=parts)
