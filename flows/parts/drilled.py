"""The phases of a drill as tasks, and its end whatever came of them."""

from collections.abc import Generator
from contextlib import contextmanager

from flows.parts.graph import Graph
from flows.parts.progress import progress
from flows.parts.upgrade_report import Laps
from tasks.points import tasks
from tasks.points.drill import Drill, Drilling


def proof(graph: Graph, laps: Laps, point: str, *, drilled: bool) -> str:
    """A sentence on whether the point of the graph's site comes back, as a drill has shown."""
    if not drilled:
        return "not proved by a drill, as was asked for"
    with laps.lap("drill"), progress("drill", graph.site.name) as on_progress:
        choice = graph.run(tasks.choose, source=graph.site, point=point, only=[])
        begun = graph.run(tasks.begin_drill, choice=choice, on_progress=on_progress)
        done = drill_point(graph, begun)
    return f"proved by a drill in {done.rto_s:.0f} s"


def drill_point(graph: Graph, drilling: Drilling) -> Drill:
    """What it found, and nothing of it is left."""
    with cleared(graph, drilling):
        for part in drilling.parts:
            graph.run(tasks.fill_drill, part, drilling=drilling)
        graph.run(tasks.start_drill, drilling=drilling)
        return graph.run(tasks.prove_drill, drilling=drilling)


@contextmanager
def cleared(graph: Graph, drilling: Drilling) -> Generator[None]:
    """Whatever comes of this, nothing of the drill is left."""
    try:
        yield
    except Exception:
        graph.run(tasks.clear_drill, drilling=drilling)
        raise
    except BaseException:
        # No task: Prefect starts none for a run that is cancelled.
        drilling.clear()
        raise
    else:
        graph.run(tasks.clear_drill, drilling=drilling)
