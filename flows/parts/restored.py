"""The phases of a restore as tasks, and the way back from each of them."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from config.errors import StepError
from flows.parts.graph import Graph
from tasks.points import tasks
from tasks.points.restore import Restored, Restoring
from tasks.points.way_back import WayBack
from tasks.steps.tasks import close_portal

log = logging.getLogger("rollout")


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
    try:
        graph.run(close_portal)
    except StepError as error:
        log.warning("portal: people see no page of maintenance: %s", error.cause)


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
