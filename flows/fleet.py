"""Ask all environments how they are, a few at a time, and make the status page."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from config.load import environment_names
from config.rules.finding import worst
from flows.parts.health_report import publish_page
from flows.parts.opening import read_only
from flows.parts.run import recorded
from tasks.probes.health.fleet import visit
from tasks.probes.health.record import record


@flow(name="fleet", flow_run_name="fleet", persist_result=False)
@recorded
def fleet(
    environments: list[str] | None = None, at_once: int = 4, fresh_s: float = 0.0
) -> State[Any]:
    """The health of each environment.

    Args:
        environments: All of config/environments if none is named.
        at_once: How many are asked side by side.
        fresh_s: Take what a health run of the last so many seconds left instead of asking again.
    """
    names = environments or environment_names()
    found = visit(names, read_only, record, at_once=at_once, fresh_s=fresh_s)
    publish_page(found)
    status = worst(each.status for each in found)
    bad = [each.environment for each in found if each.bad]
    message = f"{status}: {', '.join(bad[:20]) or 'every environment'}"
    return Completed(name=str(status).capitalize(), message=message, data=found)
