"""Back from new containers to the old ones, while those still run."""

import time

from prefect import flow

from flows.parts import history
from flows.parts.artifacts import publish, publish_plan
from flows.parts.forms import Reason
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.report import Report, report_on
from flows.parts.run import recorded, this_run
from tasks.steps import tasks


@flow(name="switch", flow_run_name="switch {environment}", persist_result=False)
@recorded
def switch(environment: str, back: bool = False, reason: Reason = "") -> Report:
    """Show which old containers still run beside new ones, or lead back to them.

    Args:
        environment: A file of config/environments.
        back: Lead back to the old ones: seconds, and no data is touched. The setting or image that
            made the new ones is the environment's still: the next deploy makes them again.
        reason: Why, for the history. No secrets.
    """
    began, run = time.monotonic(), this_run()
    with locked(environment, run=run, dry_run=not back) as site:
        graph = Graph(site)
        if not back:
            plan = report_on(site, began=began, outcomes=[graph.run(tasks.plan_back)], run=run)
            publish_plan(plan, work="a way back")
            return plan
        history.begin(site, reason=reason)
        report = report_on(site, began=began, outcomes=[graph.run(tasks.switch_back)], run=run)
        publish(report, site)
    history.end(report)
    return report
