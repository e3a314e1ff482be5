"""The cluster of an environment on Pigsty goes back, and Dify serves what it has."""

from config.rules.finding import Finding
from flows.parts.graph import Graph
from flows.parts.restored import close
from flows.parts.second_half import second_half
from tasks.points import tasks
from tasks.points.goal import Goal
from tasks.points.pitr import WentBack


def to_goal(graph: Graph, goal: Goal) -> tuple[WentBack, list[Finding]]:
    """What came of it, and the checks. Read top to bottom.

    Raises:
        StepError: the archive does not lead there, and nothing was changed; or what went wrong.
    """
    graph.run(tasks.require_goal, goal=goal)
    close(graph)
    done = graph.run(tasks.go_back, goal=goal)
    return done, second_half(graph)


def notes(unsaved: str) -> tuple[str, ...]:
    """Notes for the report of a way back. `unsaved`: why no physical backup followed it."""
    files = "files are as they were: only databases went back"
    return (files, f"NO PHYSICAL BACKUP since: {unsaved}") if unsaved else (files,)
