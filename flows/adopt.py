"""A Dify that somebody else set up becomes this environment's, with a way back."""

import time
from dataclasses import replace

from prefect import flow

from config.errors import StepError
from config.rules.restore_point import Reason as PointReason
from flows.parts import history
from flows.parts.adopt_back import go_back
from flows.parts.adopt_report import AdoptReport, publish, report_of
from flows.parts.adopting import Adopting
from flows.parts.approval import approval
from flows.parts.artifacts import publish_plan
from flows.parts.forms import Days, PlanName, Reason
from flows.parts.graph import Graph
from flows.parts.opening import locked
from flows.parts.point import take_point
from flows.parts.progress import progress
from flows.parts.report import Report, report_on
from flows.parts.run import recorded, this_run
from tasks.adoption import tasks
from tasks.adoption.plan import Seen, notes, outcome
from tasks.core.site import Site
from tasks.points import tasks as points
from tasks.steps import tasks as steps

ASKED: PointReason = "asked"
SINCE = "with what was written here since"


@flow(name="adopt", flow_run_name="adopt {environment}", persist_result=False)
@recorded
def adopt(
    environment: str,
    project: str = "",
    dry_run: bool = False,
    without_drill: bool = False,
    re_embed: bool = False,
    keep_days: Days = 7,
    back: bool = False,
    finish: bool = False,
    confirm: str = "",
    reason: Reason = "",
    approved_plan: PlanName = "",
) -> AdoptReport | Report:
    """Take over a Dify that this project did not make: its data, files and key serve from here.

    What it has is copied; it is stopped and stays as it was, so that it can be started again.
    A protected environment is planned first; the run then waits for somebody to approve.

    Args:
        environment: A file of config/environments, with places of its own.
        project: The compose project of that Dify; empty for the only other one on the machine.
        dry_run: Only show what would change, and what is in the way.
        without_drill: Do not prove the restore point before anything is stopped.
        re_embed: Let models of its workspaces embed what Dify keeps no embedding of, where vectors
            move from another store.
        keep_days: For so many days `finish` is refused, and there is a way back.
        back: Start the other Dify again, and stop this environment's stack.
        finish: Remove the containers of the other Dify: there is no way back from then on.
        confirm: The environment's own name, for `back` and `finish` where it is protected.
        reason: Why, for the history. No secrets.
        approved_plan: The plan that was approved already, by its name.
    """
    if dry_run + back + finish > 1:
        raise StepError("adopt", "expected one of dry_run, back and finish")
    run, drilled = this_run(), not without_drill
    with locked(environment, run=run, dry_run=dry_run, half_adopted=True) as site:
        graph = Graph(site)
        if dry_run:
            return planned(
                graph, site, find(graph, project, re_embed=re_embed), run=run, drilled=drilled
            )
        history.begin(site, reason=reason)
        if back or finish:
            return ended(graph, site, back=back, confirm=confirm)
        seen = find(graph, project, re_embed=re_embed)
        if site.environment.protected and not seen.mark:
            plan = planned(graph, site, seen, run=run, drilled=drilled)
            history.approve(approval(plan, site, given=approved_plan, reason=reason, work="adopt"))
        report = Adopting(graph, site, seen).carry_out(drilled=drilled, keep_days=keep_days)
        return kept(report)


def find(graph: Graph, project: str, *, re_embed: bool) -> Seen:
    return graph.run(tasks.find_origin, project=project, re_embed=re_embed)


def planned(graph: Graph, site: Site, seen: Seen, *, run: str, drilled: bool) -> Report:
    """What the adoption would change, left as an artifact."""
    began = time.monotonic()
    found = [*graph.run(steps.plan, only=[]), outcome(site, seen, drilled=drilled)]
    plan = replace(
        report_on(site, began=began, outcomes=found, run=run),
        notes=tuple(notes(site, seen, drilled=drilled)),
    )
    publish_plan(plan, work="an adoption")
    return plan


def ended(graph: Graph, site: Site, *, back: bool, confirm: str) -> AdoptReport:
    """The other Dify runs again, or no container of it is left."""
    if site.environment.protected and confirm != site.name:
        raise StepError(
            "adopt",
            f"{site.name} is protected",
            advice=f"run it again with confirm = {site.name!r}",
        )
    began = time.monotonic()
    report = gone_back(graph, site) if back else finished(graph, site)
    return kept(replace(report, seconds=time.monotonic() - began))


def kept(report: AdoptReport) -> AdoptReport:
    """It, as an artifact and in the history."""
    publish(report)
    history.adopted(report)
    return report


def gone_back(graph: Graph, site: Site) -> AdoptReport:
    point = saved(graph, site)
    mark, own = go_back(graph, site)
    report = report_of(site.name, mark, "started again", notes=(own,) if own else ())
    return replace(report, point=point, proved=SINCE) if point else report


def finished(graph: Graph, site: Site) -> AdoptReport:
    mark, left = graph.run(tasks.remove_origin)
    return report_of(site.name, mark, "its containers are removed", notes=tuple(left))


def saved(graph: Graph, site: Site) -> str:
    """A point of what was written here since the adoption; empty where nothing serves here yet."""
    if graph.run(tasks.last_adoption).pending:
        return ""
    repository = graph.run(points.open_repository, create=True)
    with progress("backup", site.name) as on_progress:
        return take_point(graph, repository, ASKED, on_progress).point
