"""Whether an environment still has a fresh restore point; a failed run is the alert."""

from datetime import UTC, datetime

from prefect import flow

from config.rules.restore_point import Point
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.run import recorded
from tasks.points import tasks


@flow(name="watch", flow_run_name="watch {environment}", persist_result=False)
@recorded
def watch(environment: str) -> Point:
    """Fail if the newest good restore point is older than backup.window_h.

    Args:
        environment: A file of config/environments.
    """
    with locked(environment, run="watch", dry_run=True) as site:
        graph = Graph(site)
        repository = graph.run(tasks.open_repository, create=False)
        return graph.run(tasks.require_recent, repository, now=datetime.now(UTC))
