"""From an upgrade back by the cluster's own archive: to the restore point set at the stop."""

from config.rules.finding import Finding
from flows.parts.graph import Graph
from flows.parts.to_goal import notes, to_goal
from flows.parts.transfers import transfers
from tasks.core.upgrade_mark import Named, Upgrade
from tasks.points import tasks as points
from tasks.points.goal import Goal
from tasks.upgrades import tasks


def cluster_back(graph: Graph, mark: Upgrade, named: Named) -> tuple[list[Finding], list[str]]:
    """The checks of the release that serves again, and notes. Files are as they are.

    Nothing of the database is asked before: it may be half restored by a run that was killed.
    """
    site = graph.site
    with transfers(site):
        graph.steps(["docker", "images"])
    newer = graph.run(tasks.newer, mark=mark)
    done, checks = to_goal(graph, Goal(named.at, f"rollout rollback {site.name}", named))
    graph.run(tasks.forget)
    unsaved = graph.run(points.back_up)
    kept = f", in the point {done.safety}" if done.safety else ""
    said = f"its cluster is as it was at {named.name}; newer than that: {newer}{kept}"
    return checks, [said, *notes(unsaved)]
