"""Take a restore point, check the repository and let go of what is too old."""

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.parts import point_steps
from flows.parts.opening import opened
from flows.parts.points_report import PointsReport, publish
from flows.parts.progress import progress
from flows.parts.tasks import finish, readable, this_run
from tasks.points.backup import Backup


@flow(name="backup", flow_run_name="backup {environment}", persist_result=False)
@readable
def backup(
    environment: str, scheduled: bool = False, before: Literal["", "upgrade", "adoption"] = ""
) -> PointsReport | State[Any]:
    """Save database, files and secrets together, while Dify goes on running.

    Args:
        environment: A file of config/environments.
        scheduled: Started by its schedule; the restore point says so.
        before: The change it is made for, which it is then kept for until that is proved.
    """
    with opened(environment, run=this_run()) as site, progress("backup", environment) as told:
        reason = f"before-{before}" if before else "schedule" if scheduled else "asked"
        done: Backup = finish(point_steps.backup, site, reason=reason, told=told)
        report = PointsReport.of(done)
        publish(report, kit=done.kit)
        return report
