"""Which restore points there are; on request every byte of them is read."""

import time
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed

from config.errors import RolloutError
from flows import steps
from flows.opening import opened
from flows.points_report import PointsReport, publish
from flows.progress import Progress


@flow(name="points", flow_run_name="points {environment}", persist_result=False)
def points(environment: str, check: bool = False) -> PointsReport | State[Any]:
    """List the restore points; with `check` read and verify all data of the repository."""
    began = time.monotonic()
    try:
        with opened(environment, run=str(flow_run.name), dry_run=not check) as site:
            told = Progress(f"check-{environment.replace('_', '-')}")
            found = steps.finish(steps.points, site, check=check, told=told)
            report = PointsReport(
                environment,
                tuple(found),
                checked="all" if check else "",
                seconds=time.monotonic() - began,
            )
            publish(report)
            return report
    except RolloutError as error:
        return Failed(message=str(error), data=error)
