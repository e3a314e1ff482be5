"""What a Dify is that somebody else set up, and what taking it over would change."""

import time
from dataclasses import replace

from prefect import flow

from config.errors import StepError
from flows.parts.artifacts import publish_plan
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.report import Report, report_on
from flows.parts.run import recorded, this_run
from tasks.adoption import tasks
from tasks.adoption.plan import CARRIED_OUT, notes, outcome


@flow(name="adopt", flow_run_name="adopt {environment}", persist_result=False)
@recorded
def adopt(environment: str, project: str = "", dry_run: bool = False) -> Report:
    """Find a Dify that this project did not make, and tell what taking it over would change.

    Nothing is changed.

    Args:
        environment: A file of config/environments, with places of its own.
        project: The compose project of that Dify; empty for the only other one on the machine.
        dry_run: Only show what would change, and what is in the way: all that there is yet.
    """
    if not dry_run:
        raise StepError("adopt", CARRIED_OUT, advice=f"rollout adopt {environment} --dry-run")
    began, run = time.monotonic(), this_run()
    with locked(environment, run=run, dry_run=True) as site:
        seen = Graph(site).run(tasks.find_origin, project=project)
        plan = replace(
            report_on(site, began=began, outcomes=[outcome(site, seen)], run=run),
            notes=tuple(notes(site, seen)),
        )
        publish_plan(plan)
        return plan
