"""Which restore points there are; on request every byte of them is read."""

import time
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.parts import point_steps
from flows.parts.opening import opened
from flows.parts.points_report import PointsReport, publish
from flows.parts.progress import progress
from flows.parts.tasks import finish, readable, this_run


@flow(name="points", flow_run_name="points {environment}", persist_result=False)
@readable
def points(environment: str, check: bool = False) -> PointsReport | State[Any]:
    """List the restore points.

    Args:
        environment: A file of config/environments.
        check: Read and verify all data of the repository.
    """
    began = time.monotonic()
    with (
        opened(environment, run=this_run(), dry_run=not check, half_restored=True) as site,
        progress("check", environment) as told,
    ):
        found, kept = finish(point_steps.points, site, check=check, told=told)
        report = PointsReport(
            environment,
            tuple(found),
            kept,
            checked="all" if check else "",
            seconds=time.monotonic() - began,
        )
        publish(report)
        return report
