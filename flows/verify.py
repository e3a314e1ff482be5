"""Prove that an environment works, without changing it."""

import time

from prefect import flow

from flows.parts.artifacts import publish
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.report import Report, report_on
from flows.parts.run import recorded, this_run
from tasks.steps import tasks


@flow(name="verify", flow_run_name="verify {environment}", persist_result=False)
@recorded
def verify(environment: str) -> Report:
    """Run every check against the environment; what the checks make is removed again.

    Args:
        environment: A file of config/environments.
    """
    began = time.monotonic()
    run = this_run()
    with locked(environment, run=run) as site:
        checks = Graph(site).run(tasks.verify, changed=True)
        report = report_on(site, began=began, checks=checks, run=run)
        publish(report, site)
        return report
