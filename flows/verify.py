"""Prove that an environment works, without changing it."""

import time
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.parts import steps
from flows.parts.artifacts import publish
from flows.parts.opening import opened
from flows.parts.report import Report, report_on
from flows.parts.tasks import finish, readable, this_run


@flow(name="verify", flow_run_name="verify {environment}", persist_result=False)
@readable
def verify(environment: str) -> Report | State[Any]:
    """Run every check against the environment; what the checks make is removed again.

    Args:
        environment: A file of config/environments.
    """
    began = time.monotonic()
    run = this_run()
    with opened(environment, run=run) as site:
        checks = finish(steps.verify, site, changed=True)
        report = report_on(site, began=began, checks=checks, run=run)
        publish(report, site)
        return report
