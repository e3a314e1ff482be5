"""Prove that the newest restore point comes back, without touching what runs."""

from prefect import flow

from flows.parts.drill_report import DrillReport, publish
from flows.parts.drilled import drill_point
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.progress import progress
from flows.parts.run import recorded, this_run
from tasks.points import tasks


@flow(name="drill", flow_run_name="drill {environment}", persist_result=False)
@recorded
def drill(environment: str, point: str = "latest") -> DrillReport:
    """Restore a point beside the environment, use it, measure it, and throw it away.

    Args:
        environment: A file of config/environments.
        point: A restore point, like 20261124T023000Z, or latest.
    """
    with locked(environment, run=this_run(), half_restored=True) as site:
        graph = Graph(site)
        choice = graph.run(tasks.choose, source=site, point=point, only=[])
        with progress("drill", environment) as on_progress:
            begun = graph.run(tasks.begin_drill, choice=choice, on_progress=on_progress)
            done = drill_point(graph, begun)
        report = DrillReport(environment, done)
        publish(report)
        return report
