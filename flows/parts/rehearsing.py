"""An upgrade carried out beside the environment, on what its newest restore point holds."""

from dataclasses import replace

from flows.parts.drilled import cleared
from flows.parts.graph import Graph
from flows.parts.progress import progress
from flows.parts.upgrade_report import DOWN, Laps, UpgradeReport
from tasks.core.site import Site
from tasks.points import tasks as points
from tasks.steps.tasks import STEPS
from tasks.upgrades import tasks
from tasks.upgrades.way import Way


def rehearsed(graph: Graph, site: Site, way: Way) -> UpgradeReport:
    """How long each part took on the copy; nothing of it is left, and the environment ran on.

    A copy has no way out, so hand steps that need the marketplace are left out.
    """
    laps, notes = Laps(), _notes(way)
    here = replace(way, steps=tuple(step for step in way.steps if not step.needs))
    with progress("rehearsal", site.name) as on_progress:
        choice = graph.run(points.choose, source=site, point="latest", only=[])
        drilling = graph.run(points.begin_drill, choice=choice, on_progress=on_progress)
        with cleared(graph, drilling):
            with laps.lap("restore"):
                for part in drilling.parts:
                    graph.run(points.fill_drill, part, drilling=drilling)
            copy = graph.of(drilling.aside)
            for name in ("images", "settings", "migrate"):
                with laps.lap(name):
                    copy.run(STEPS[name])
            with laps.lap("hand steps before"):
                notes += copy.run(tasks.steps_before, found=here)
            with laps.lap("start"):
                copy.run(STEPS["compose"])
            with laps.lap("hand steps after"):
                notes += copy.run(tasks.steps_after, found=here)
            with laps.lap("checks"):
                copy.run(tasks.expect_schema, drilling=drilling)
                done = graph.run(points.prove_drill, drilling=drilling)
    return UpgradeReport(
        site.name,
        way.hop.old,
        way.hop.new,
        choice.point.id,
        "the newest one",
        sum(seconds for name, seconds in laps.parts if name in DOWN),
        laps.seconds,
        tuple(laps.parts),
        done.checks,
        tuple(notes),
    )


def _notes(way: Way) -> list[str]:
    left = [step.name for step in way.steps if step.needs]
    rehearsal = "a rehearsal: it ran beside the environment, which was not changed"
    return [rehearsal, *(f"{name} was left out: it needs the marketplace" for name in left)]
