"""The question which Dify there is to take over, as a Prefect task."""

from tasks.adoption import plan
from tasks.adoption.plan import Seen
from tasks.core.site import Site
from tasks.core.tasks import task
from tasks.steps.table import HOUR_S


@task("find Dify", within_s=HOUR_S)
def find_origin(site: Site, *, project: str) -> Seen:
    """Find the Dify to take over, and ask its engine, database and API; nothing is changed."""
    return plan.look(site, project)
