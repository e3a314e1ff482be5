"""The terminal's side of a protected environment: show the plan, ask, deploy exactly that."""

import sys
from typing import Any

import typer

from cli import output, runs
from config.errors import RolloutError
from config.load import load_environment


def approved_plan(environment: str, *, yes: bool, **parameters: Any) -> str:
    """The name of the plan to deploy; empty where no approval is needed.

    `yes` approves whatever the plan is now; else it is shown and asked about.
    """
    if not load_environment(environment).protected:
        return ""
    if not yes and not sys.stdin.isatty():
        raise RolloutError(f"{environment} is protected; expected --yes where nobody can be asked")
    plan = runs.plan(environment, **parameters)
    if not yes and plan.changes:
        output.plan(plan, as_json=False)
        typer.confirm(f"{environment} is protected. Deploy exactly this?", abort=True)
    return plan.fingerprint
