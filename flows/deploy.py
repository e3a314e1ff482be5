"""Deploy Dify: from what is there to a Dify that answers behind its domain."""

import time
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.parts import history, steps
from flows.parts.approval import approval
from flows.parts.artifacts import publish, publish_plan
from flows.parts.forms import PlanName, Reason, ReleaseName, SourceName, StepNames
from flows.parts.opening import opened
from flows.parts.order import Order
from flows.parts.report import Report, report_on
from flows.parts.tasks import finish, readable, this_run
from tasks.core.site import Site
from tasks.probes.verify.probe import Check


@flow(name="deploy", flow_run_name="deploy {environment}", persist_result=False)
@readable
def deploy(
    environment: str,
    release: ReleaseName = "",
    promote_from: SourceName = "",
    dry_run: bool = False,
    only: StepNames = [],  # noqa: B006 - the form's default; nobody changes it
    reason: Reason = "",
    approved_plan: PlanName = "",
) -> Report | State[Any]:
    """Make the environment what its file says.

    A protected environment is planned first; the run then waits for somebody to approve.

    Args:
        environment: A file of config/environments.
        release: Dify's version; empty for the one the environment's file names.
        promote_from: Another environment, whose verified release and images this one gets.
        dry_run: Only show what would change.
        only: Only these steps; none chosen means all.
        reason: Why, for the history. No secrets.
        approved_plan: The plan that was approved already, as `rollout plan` names it.
    """
    run = this_run()
    with opened(
        environment, run=run, release=release, promote_from=promote_from, dry_run=dry_run
    ) as site:
        if dry_run:
            return planned(site, run=run, only=only)
        history.begin(site, reason=reason)
        if site.environment.protected:
            plan = planned(site, run=run, only=only)
            history.approve(approval(plan, site, given=approved_plan, reason=reason))
        report = rollout(site, run=run, only=only)
    history.end(report)
    return report


def planned(site: Site, *, run: str, only: list[str]) -> Report:
    """What a rollout would change, left as an artifact."""
    began = time.monotonic()
    outcomes = finish(steps.plan, site, only=only)
    plan = report_on(site, began=began, outcomes=outcomes, run=run)
    publish_plan(plan)
    return plan


def rollout(site: Site, *, run: str, only: list[str]) -> Report:
    """Every step, in the order of the graph. Read top to bottom: this is a rollout."""
    began = time.monotonic()
    site.platform.prefetch(site, only)
    order = Order(site, only=only)
    if order.wants("preflight"):
        finish(steps.preflight, site)
    bootstrap = order.submit(steps.bootstrap, after=[])
    configure = order.submit(steps.configure, after=[bootstrap])
    install = order.submit(steps.install, after=[configure])
    engine = order.submit(steps.docker, after=[install])
    pgsql = order.submit(steps.pgsql, after=[engine])
    redis = order.submit(steps.redis, after=[engine])
    images = order.submit(steps.images, after=[engine])
    settings = order.submit(steps.settings, after=[pgsql, redis, images])
    migrate = order.submit(steps.migrate, after=[settings])
    compose = order.submit(steps.compose, after=[migrate])
    order.submit(steps.portal, after=[compose])
    order.submit(steps.hosts, after=[compose])
    outcomes = order.outcomes()
    changed = any(outcome.changes for outcome in outcomes)
    checks: list[Check] = []
    if order.wants("verify"):
        checks = finish(steps.verify, site, changed=changed)
    report = report_on(site, began=began, outcomes=outcomes, checks=checks, run=run)
    publish(report, site)
    return report
