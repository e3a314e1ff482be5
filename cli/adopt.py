"""`rollout adopt`: what taking over somebody else's Dify would change."""

from cli import output, runs


def adopt(environment: str, *, project: str, dry_run: bool, as_json: bool) -> int:
    """The exit status, as `rollout plan` has it."""
    plan = runs.adopt(environment, project=project, dry_run=dry_run)
    output.plan(plan, as_json=as_json, work="an adoption")
    return 1 if plan.blocked else 2
