"""Prove that the newest restore point comes back, without touching what runs."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.parts import point_steps
from flows.parts.drill_report import DrillReport, publish
from flows.parts.opening import opened
from flows.parts.progress import progress
from flows.parts.tasks import finish, readable, this_run
from tasks.points.choice import Choice
from tasks.points.drill import Drill


@flow(name="drill", flow_run_name="drill {environment}", persist_result=False)
@readable
def drill(environment: str, point: str = "latest") -> DrillReport | State[Any]:
    """Restore a point beside the environment, use it, measure it, and throw it away.

    Args:
        environment: A file of config/environments.
        point: A restore point, like 20261124T023000Z, or latest.
    """
    with opened(environment, run=this_run(), half_restored=True) as site:
        choice: Choice = finish(point_steps.choose, site, source=site, point=point, only=[])
        with progress("drill", environment) as told:
            done: Drill = finish(point_steps.drill, site, choice=choice, told=told)
        report = DrillReport(environment, done)
        publish(report)
        return report
