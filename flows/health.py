"""Ask every part of an environment how it is. Changes nothing of the environment itself."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parts.health_report import publish
from flows.parts.opening import unchanged
from flows.parts.tasks import finish, readable, step
from tasks.probes.health import record as work
from tasks.probes.health.ask import Look

attend = step(work.attend, "health")
glance = step(work.glance, "health")


@flow(name="health", flow_run_name="health {environment}", persist_result=False)
@readable
def health(environment: str, record: bool = True) -> State[Any]:
    """Ask every part of the environment how it is; nothing is changed.

    Args:
        environment: A file of config/environments.
        record: Remember the answers, and tell people what changed.
    """
    seen: Look = finish(attend if record else glance, unchanged(environment))
    publish(seen)
    bad = [finding.probe for finding in seen.findings if finding.bad and not finding.because]
    return Completed(
        name=str(seen.status).capitalize(),
        message=f"{seen.status}: {', '.join(bad) or 'everything'}",
        data=seen,
    )
