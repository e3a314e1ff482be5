"""`rollout switch`: the way back to old containers that still run beside new ones."""

from cli import output, runs
from cli.approve import confirm_if_protected


def switch(environment: str, *, back: bool, reason: str, yes: bool, as_json: bool) -> int:
    """The exit status: without `back` that of `rollout plan`."""
    if not back:
        plan = runs.switch(environment)
        output.plan(plan, as_json=as_json, work="a way back")
        return 2 if plan.changes else 0
    confirm_if_protected(environment, yes=yes, doing="Lead back to the old containers")
    output.deploy(runs.switch(environment, back=True, reason=reason), as_json=as_json)
    return 0
