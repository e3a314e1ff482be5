"""The terminal's side of a protected environment: show the plan, ask, do exactly that."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from cli import output, runs
from config.errors import RolloutError
from config.load import load_environment

if TYPE_CHECKING:
    from flows.parts.report import Report


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


def approved_work(
    environment: str, plan: Callable[[], "Report"], *, work: str, question: str, yes: bool
) -> str:
    """The name of the plan to carry out; empty where no approval is needed.

    Work that is no deploy is asked about wherever somebody can be, protected or not.
    """
    protected = load_environment(environment).protected
    asked = sys.stdin.isatty() and not yes
    if protected and not yes and not asked:
        raise RolloutError(f"{environment} is protected; expected --yes where nobody can be asked")
    if not (protected or asked):
        return ""
    found = plan()
    if asked:
        output.plan(found, as_json=False, work=work)
        typer.confirm(question, abort=True)
    return found.fingerprint if protected else ""
