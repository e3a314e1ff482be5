"""Ask all environments how they are, a few at a time, and make the status page."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from config.desired.health.verdict import worst
from config.load import environment_names
from flows.health_report import publish_page
from flows.opening import unchanged
from flows.told import readable
from tasks.health.attend import attend
from tasks.health.fleet import visit


@flow(name="fleet", flow_run_name="fleet", persist_result=False)
@readable
def fleet(environments: list[str] | None = None, at_once: int = 4) -> State[Any]:
    """The health of each environment, all of config/environments if none is named."""
    names = environments or environment_names()
    found = visit(names, unchanged, attend, at_once=at_once)
    publish_page(found)
    status = worst(each.status for each in found)
    bad = [each.environment for each in found if each.bad]
    message = f"{status}: {', '.join(bad[:20]) or 'every environment'}"
    return Completed(name=str(status).capitalize(), message=message, data=found)
