"""Whether an environment still has a fresh restore point; a failed run is the alert."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed

from config.desired.restore_point import Point
from config.errors import RolloutError
from flows import steps
from flows.opening import opened


@flow(name="watch", flow_run_name="watch {environment}", persist_result=False)
def watch(environment: str) -> Point | State[Any]:
    """Fail if the newest good restore point is older than backup.window_h."""
    try:
        with opened(environment, run="watch", dry_run=True) as site:
            return steps.finish(steps.watch, site, now=datetime.now(UTC))
    except RolloutError as error:
        return Failed(message=str(error), data=error)
