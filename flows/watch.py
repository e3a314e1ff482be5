"""Whether an environment still has a fresh restore point; a failed run is the alert."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from config.rules.restore_point import Point
from flows.parts import point_steps
from flows.parts.opening import opened
from flows.parts.tasks import finish, readable


@flow(name="watch", flow_run_name="watch {environment}", persist_result=False)
@readable
def watch(environment: str) -> Point | State[Any]:
    """Fail if the newest good restore point is older than backup.window_h.

    Args:
        environment: A file of config/environments.
    """
    with opened(environment, run="watch", dry_run=True) as site:
        return finish(point_steps.watch, site, now=datetime.now(UTC))
