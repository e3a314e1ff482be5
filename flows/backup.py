"""Take a restore point, check the repository and let go of what is too old."""

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
from tasks.backup import Backup


@flow(name="backup", flow_run_name="backup {environment}", persist_result=False)
def backup(environment: str, scheduled: bool = False) -> PointsReport | State[Any]:
    """Save database, files and secrets together, while Dify goes on running."""
    try:
        with opened(environment, run=str(flow_run.name)) as site:
            reason = "schedule" if scheduled else "asked"
            told = Progress(f"backup-{environment.replace('_', '-')}")
            done: Backup = steps.finish(steps.backup, site, reason=reason, told=told)
            report = PointsReport.of(done)
            publish(report, kit=done.kit)
            return report
    except RolloutError as error:
        return Failed(message=str(error), data=error)
