"""Another release of Dify, with a way back: proved before anything changes, taken when it fails."""

import time
from dataclasses import replace

from prefect import flow

from config.errors import StepError
from flows.parts import history
from flows.parts.approval import approval
from flows.parts.artifacts import publish_plan
from flows.parts.forms import PlanName, Reason, ReleaseName, SourceName
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.report import Report, report_on
from flows.parts.run import recorded, this_run
from flows.parts.upgrade_report import UpgradeReport, publish
from flows.parts.upgrading import Upgrading
from tasks.core.site import Site
from tasks.steps import tasks as steps
from tasks.upgrades import tasks
from tasks.upgrades.environment_file import follow
from tasks.upgrades.way import Way, notes, outcome


@flow(name="upgrade", flow_run_name="upgrade {environment}", persist_result=False)
@recorded
def upgrade(
    environment: str,
    to: ReleaseName = "",
    promote_from: SourceName = "",
    dry_run: bool = False,
    without_drill: bool = False,
    reason: Reason = "",
    approved_plan: PlanName = "",
) -> UpgradeReport | Report:
    """Bring the environment to another release; whatever fails, the old one serves again.

    A protected environment is planned first; the run then waits for somebody to approve.

    Args:
        environment: A file of config/environments.
        to: Dify's version; empty for the one the environment's file names.
        promote_from: Another environment, whose verified release and images this one gets.
        dry_run: Only show what would change, and what is in the way.
        without_drill: Do not prove the restore point before anything changes; the report says so.
        reason: Why, for the history. No secrets.
        approved_plan: The plan that was approved already, by its name.
    """
    run = this_run()
    with locked(
        environment,
        run=run,
        release=to,
        promote_from=promote_from,
        dry_run=dry_run,
        half_upgraded=True,
    ) as site:
        graph = Graph(site)
        way = graph.run(tasks.find_way)
        if dry_run:
            return planned(graph, site, way, run=run, drilled=not without_drill)
        history.begin(site, reason=reason)
        history.hop(way.hop.old, way.hop.new)
        if site.environment.protected and not way.going_on:
            plan = planned(graph, site, way, run=run, drilled=not without_drill)
            history.approve(
                approval(plan, site, given=approved_plan, reason=reason, work="upgrade")
            )
        return carried_out(Upgrading(graph, site, way), drilled=not without_drill)


def planned(graph: Graph, site: Site, way: Way, *, run: str, drilled: bool) -> Report:
    """What the upgrade would change, left as an artifact."""
    began = time.monotonic()
    found = [*graph.run(steps.plan, only=[]), outcome(site, way)]
    plan = replace(
        report_on(site, began=began, outcomes=found, run=run),
        notes=tuple(notes(way, drilled=drilled)),
    )
    publish_plan(plan, work="an upgrade")
    return plan


def carried_out(upgrading: Upgrading, *, drilled: bool) -> UpgradeReport:
    """The report of an upgrade; that of one which failed is left as an artifact, too."""
    try:
        report = upgrading.carry_out(drilled=drilled)
    except StepError as error:
        report = upgrading.report(failed=str(error))
        publish(report, "upgrade")
        history.upgraded(report)
        raise
    said = follow(report.environment, report.new)
    report = replace(report, notes=(*report.notes, *([said] if said else [])))
    publish(report, "upgrade")
    history.upgraded(report)
    return report
