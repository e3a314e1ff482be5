"""Which restore points there are; on request every byte of them is read."""

import time

from prefect import flow

from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.points_report import PointsReport, publish
from flows.parts.progress import progress
from flows.parts.run import recorded, this_run
from tasks.points import tasks


@flow(name="points", flow_run_name="points {environment}", persist_result=False)
@recorded
def points(environment: str, check: bool = False) -> PointsReport:
    """List the restore points.

    Args:
        environment: A file of config/environments.
        check: Read and verify all data of the repository.
    """
    began = time.monotonic()
    with (
        locked(environment, run=this_run(), dry_run=not check, half_restored=True) as site,
        progress("check", environment) as on_progress,
    ):
        graph = Graph(site)
        repository = graph.run(tasks.open_repository, create=False)
        if check:
            graph.run(tasks.check_all, repository, on_progress=on_progress)
        found, kept = graph.run(tasks.list_points, repository)
        report = PointsReport(
            environment,
            tuple(found),
            kept,
            checked="all" if check else "",
            seconds=time.monotonic() - began,
        )
        publish(report)
        return report
