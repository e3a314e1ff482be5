"""A point put in place of what is there, and proved; else what served before serves again."""

from dataclasses import replace

from config.rules.finding import Finding
from flows.parts.graph import Graph
from flows.parts.progress import progress
from flows.parts.second_half import second_half
from flows.parts.transfers import transfers
from tasks.core.site import Site
from tasks.points import tasks
from tasks.points.choice import Choice
from tasks.points.restore import Restored
from tasks.points.way_back import WayBack
from tasks.steps.table import STATE


def bring_back(graph: Graph, site: Site, choice: Choice) -> tuple[Restored, list[Finding]]:
    """State first, then the point, then a rollout's second half. Read top to bottom."""
    with transfers(site):
        graph.steps(STATE)
    graph.run(tasks.require_fits, choice=choice)
    with progress("restore", site.name) as on_progress:
        done = graph.run(tasks.restore, choice=choice, on_progress=on_progress)
    if choice.file:
        return done, []
    checks = proved(graph, done.way_back)
    kept = graph.run(tasks.settle, choice=choice)
    return replace(done, notes=(*done.notes, *([kept] if kept else []))), checks


def proved(graph: Graph, way_back: WayBack | None) -> list[Finding]:
    """The checks of what was restored; what served before serves again where it is no good.

    A cancel goes back as well: a Dify that is half restored cannot serve. If this run is killed on
    the way back, the mark it leaves makes the next restore finish it.
    """
    try:
        return second_half(graph)
    except Exception as error:
        graph.run(tasks.take_back, way_back=way_back, error=error)
        raise
    except BaseException as error:
        if way_back is None:
            raise
        # No task: Prefect starts none for a run that is cancelled.
        raise way_back.failed(error) from None
