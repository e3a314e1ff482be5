"""Take a restore point, check the repository and let go of what is too old."""

from typing import Any, Literal

from prefect import flow

from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.point import take_point
from flows.parts.points_report import PointsReport, publish
from flows.parts.progress import progress
from flows.parts.run import recorded, this_run
from tasks.points import tasks


@flow(name="backup", flow_run_name="backup {environment}", persist_result=False)
@recorded
def backup(
    environment: str, scheduled: bool = False, before: Literal["", "upgrade", "adoption"] = ""
) -> PointsReport:
    """Save database, files and secrets together, while Dify goes on running.

    Args:
        environment: A file of config/environments.
        scheduled: Started by its schedule; the restore point says so.
        before: The change it is made for, which it is then kept for until that is proved.
    """
    with (
        locked(environment, run=this_run()) as site,
        progress("backup", environment) as on_progress,
    ):
        reason: Any = f"before-{before}" if before else "schedule" if scheduled else "asked"
        graph = Graph(site)
        repository = graph.run(tasks.open_repository, create=True)
        manifest = take_point(graph, repository, reason, on_progress)
        kit = graph.run(tasks.renew_kit, repository, manifest)
        checked = graph.run(tasks.check_repository, repository, manifest, on_progress=on_progress)
        done = graph.run(tasks.prune_points, repository, manifest, checked=checked, kit=kit)
        report = PointsReport.of(done)
        publish(report, kit=done.kit)
        return report
