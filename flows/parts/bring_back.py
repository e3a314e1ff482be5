"""A restore point replaces the state and is proved; if that fails, the state of before returns."""

from dataclasses import replace

from config.rules.finding import Finding
from flows.parts.graph import Graph
from flows.parts.progress import progress
from flows.parts.restored import going_back, restored
from flows.parts.second_half import BeforeOpen, second_half
from flows.parts.transfers import transfers
from tasks.core.site import Site
from tasks.points import tasks
from tasks.points.choice import Choice
from tasks.points.restore import Restored
from tasks.points.way_back import WayBack
from tasks.steps.table import STATE


def bring_back(
    graph: Graph, site: Site, choice: Choice, before_open: BeforeOpen | None = None
) -> tuple[Restored, list[Finding]]:
    """State first, then the point, then a rollout's second half. Read top to bottom."""
    with transfers(site):
        graph.steps(STATE)
    graph.run(tasks.require_fits, choice=choice)
    if choice.file:
        return graph.run(tasks.restore_file, choice=choice), []
    with progress("restore", site.name) as on_progress:
        begun = graph.run(tasks.begin_restore, choice=choice, on_progress=on_progress)
        done = restored(graph, begun)
    after = graph.of(site.replace(secrets={**site.secrets, **done.secrets}))
    checks = proved(after, done.way_back, before_open)
    kept = after.run(tasks.settle, choice=choice)
    return replace(done, notes=(*done.notes, *([kept] if kept else []))), checks


def proved(
    graph: Graph, way_back: WayBack | None, before_open: BeforeOpen | None = None
) -> list[Finding]:
    """The checks of what was restored; what served before serves again where it is no good."""
    with going_back(graph, way_back):
        return second_half(graph, before_open)
