"""Deploy Dify: from what is there to a Dify that answers behind its domain."""

import time

from prefect import flow

from config.rules.finding import Finding
from flows.parts import history
from flows.parts.approval import approval
from flows.parts.artifacts import publish, publish_plan
from flows.parts.forms import PlanName, Reason, ReleaseName, SourceName, StepNames
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.report import Report, report_on
from flows.parts.run import recorded, this_run
from flows.parts.transfers import transfers
from tasks.core.promotion import require_no_upgrade
from tasks.core.site import Site
from tasks.steps import tasks
from tasks.steps.table import NAMES


@flow(name="deploy", flow_run_name="deploy {environment}", persist_result=False)
@recorded
def deploy(
    environment: str,
    release: ReleaseName = "",
    promote_from: SourceName = "",
    dry_run: bool = False,
    only: StepNames = [],  # noqa: B006 - the form's default; nobody changes it
    reason: Reason = "",
    approved_plan: PlanName = "",
) -> Report:
    """Make the environment what its file says.

    A protected environment is planned first; the run then waits for somebody to approve.

    Args:
        environment: A file of config/environments.
        release: Dify's version; empty for the one the environment's file names.
        promote_from: Another environment, whose verified release and images this one gets, if it
            runs that release already; a newer one is an upgrade.
        dry_run: Only show what would change.
        only: Only these steps; none chosen means all.
        reason: Why, for the history. No secrets.
        approved_plan: The plan that was approved already, as `rollout plan` names it.
    """
    run = this_run()
    with locked(
        environment, run=run, release=release, promote_from=promote_from, dry_run=dry_run
    ) as site:
        require_no_upgrade(site)
        graph = Graph(site)
        if dry_run:
            return planned(graph, site, run=run, only=only)
        history.begin(site, reason=reason)
        if site.environment.protected:
            plan = planned(graph, site, run=run, only=only)
            history.approve(approval(plan, site, given=approved_plan, reason=reason))
        report = rollout(graph, site, run=run, only=only)
    history.end(report)
    return report


def planned(graph: Graph, site: Site, *, run: str, only: list[str]) -> Report:
    """What a rollout would change, left as an artifact."""
    began = time.monotonic()
    outcomes = graph.run(tasks.plan, only=only)
    plan = report_on(site, began=began, outcomes=outcomes, run=run)
    publish_plan(plan)
    return plan


def rollout(graph: Graph, site: Site, *, run: str, only: list[str]) -> Report:
    """Every step of the table that is wanted, as its graph has them; the proof comes last."""
    began = time.monotonic()
    wanted = [name for name in NAMES if not only or name in only]
    site.platform.prefetch(site, only)
    with transfers(site):
        outcomes = graph.steps(name for name in wanted if name != "verify")
    changed = any(outcome.changes for outcome in outcomes)
    checks: list[Finding] = []
    if "verify" in wanted:
        checks = graph.run(tasks.verify, changed=changed)
    report = report_on(site, began=began, outcomes=outcomes, checks=checks, run=run)
    publish(report, site)
    return report
