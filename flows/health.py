"""Ask every part of an environment how it is. Changes nothing of the environment itself."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parts.graph import Graph
from flows.parts.health_report import publish
from flows.parts.opening import read_only
from flows.parts.run import recorded
from tasks.probes import tasks


@flow(name="health", flow_run_name="health {environment}", persist_result=False)
@recorded
def health(environment: str, record: bool = True) -> State[Any]:
    """Ask every part of the environment how it is; nothing is changed.

    Args:
        environment: A file of config/environments.
        record: Remember the answers, and tell people what changed.
    """
    ask = tasks.record_health if record else tasks.peek_at_health
    seen = Graph(read_only(environment)).run(ask)
    publish(seen)
    bad = [finding.probe for finding in seen.findings if finding.at_fault]
    return Completed(
        name=str(seen.status).capitalize(),
        message=f"{seen.status}: {', '.join(bad) or 'everything'}",
        data=seen,
    )
