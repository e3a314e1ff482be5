"""The phases of a restore as tasks, and the way back from each of them."""

from collections.abc import Generator
from contextlib import contextmanager

from flows.parts.graph import Graph
from tasks.points import tasks
from tasks.points.restore import Restored, Restoring
from tasks.points.way_back import WayBack
from tasks.steps.maintenance import dispensable
from tasks.steps.tasks import close_portal


def restored(graph: Graph, restoring: Restoring) -> Restored:
    """What came of it: the parts are the environment's, and the stack is down.

    Raises:
        StepError: what went wrong; what served before serves again.
    """
    with going_back(graph, restoring.way_back):
        for part in restoring.parts:
            graph.run(tasks.fill, part, restoring=restoring)
        close(graph)
        graph.run(tasks.stop_services, restoring=restoring)
        graph.run(tasks.save_current, restoring=restoring)
        graph.run(tasks.exchange, restoring=restoring)
        return graph.run(tasks.adopt, restoring=restoring)


def close(graph: Graph) -> None:
    """People get the page of maintenance; no run waits for a portal that is broken."""
    with dispensable():
        graph.run(close_portal)


@contextmanager
def going_back(graph: Graph, way_back: WayBack | None) -> Generator[None]:
    """What served before a restore serves again where this fails or is cancelled.

    A cancel goes back as well: a Dify that is half restored cannot serve. If this run is killed on
    the way back, the mark it leaves makes the next restore finish it.
    """
    try:
        yield
    except Exception as error:
        graph.run(tasks.take_back, way_back=way_back, error=error)
        raise
    except BaseException as error:
        if way_back is None:
            raise
        # No task: Prefect starts none for a run that is cancelled.
        raise way_back.failed(error) from None
