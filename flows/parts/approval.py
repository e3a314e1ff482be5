"""The gate of protected environments: a person approves a plan, and exactly that plan runs."""

from dataclasses import dataclass

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import Field

from config.errors import StepError
from flows.parts.markdown import plain
from flows.parts.report import Report, plan_rows
from tasks.core.origin import operator
from tasks.core.site import Site
from tasks.core.step import in_the_way

SHOWN = 40


class Approval(RunInput):
    """What the person who approves fills in."""

    approved_by: str = Field(min_length=2, description="Your name, as the history will show it.")
    reason: str = Field(min_length=3, description="Why this change, and why now.")


@dataclass(frozen=True, slots=True)
class Approved:
    """Who let the plan run, and why. Names are self-declared: the server knows no users."""

    by: str
    reason: str


def approval(
    plan: Report, site: Site, *, given: str, reason: str, work: str = "deploy"
) -> Approved:
    """Who approved this very plan.

    `given` is the fingerprint of a plan somebody has approved already. Without it the run is
    suspended, its process ends, and resuming it in the UI starts the flow anew: if the world
    has changed meanwhile the plan is another one, under another key, and is asked for again.

    Raises:
        StepError: the approved plan is not this one, something is in the way of it, or nobody can
            be asked.
    """
    require_nothing_in_the_way(plan)
    identity = plan.fingerprint
    if given:
        if given != identity:
            raise StepError(
                "approval",
                f"{plan.environment} has changed since plan {given} was approved: "
                f"{work} would now do {plan.changes} changes (plan {identity})",
                advice=f"look at the plan of {work} again, and approve that",
            )
        return Approved(operator(), reason)
    if not plan.changes:
        return Approved("nobody", "nothing to change")
    if not deployment.id:  # pyright: ignore[reportAttributeAccessIssue]
        raise StepError(
            "approval",
            f"{plan.environment} is protected and nobody approved plan {identity}",
            advice=f"rollout {work} {plan.environment}, or run its deployment in the Prefect UI",
        )
    answer = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(description=shown(plan, identity)),
        timeout=site.environment.approve_within_h * 3600,
        key=f"approve-{identity}",
    )
    return Approved(answer.approved_by, answer.reason)


def require_nothing_in_the_way(plan: Report) -> None:
    """Nobody is asked to approve what would stop half-way.

    Raises:
        StepError: of the first step that cannot be carried out.
    """
    for outcome in plan.outcomes:
        if outcome.blocked:
            raise in_the_way(outcome.step, outcome.blocked)


def shown(plan: Report, identity: str) -> str:
    """The plan as Markdown, as the UI shows it above the form."""
    rows = plan_rows(plan.outcomes)
    lines = [f"**{plan.environment}**: {len(rows)} changes (plan `{identity}`)", ""]
    lines += [f"- {plain(note)}" for note in plan.notes] + [""]
    lines += ["| step | change | |", "|---|---|---|"]
    lines += [
        f"| {row['step']} | {plain(row['what'])} | {plain(row['before'])} → {plain(row['after'])} |"
        for row in rows[:SHOWN]
    ]
    if len(rows) > SHOWN:
        lines.append(f"\n… and {len(rows) - SHOWN} more in the artifact `plan-{plan.environment}`")
    return "\n".join(lines)
