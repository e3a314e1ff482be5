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


def somebody_is_asked(environment: str, *, yes: bool) -> bool:
    """Whether a question is to be put on this terminal; `yes` answers it beforehand.

    Raises:
        RolloutError: nobody can be asked, and the environment is protected.
    """
    if yes or sys.stdin.isatty():
        return not yes
    if load_environment(environment).protected:
        raise RolloutError(f"{environment} is protected; expected --yes where nobody can be asked")
    return False


def confirm_if_protected(environment: str, *, yes: bool, doing: str) -> None:
    """Ask before a protected environment is changed."""
    if somebody_is_asked(environment, yes=yes) and load_environment(environment).protected:
        typer.confirm(f"{environment} is protected. {doing} now?", abort=True)


def approved_plan(environment: str, *, yes: bool, **parameters: Any) -> str:
    """The name of the plan to deploy; empty where no approval is needed.

    `yes` approves whatever the plan is now; else it is shown and asked about.
    """
    if not load_environment(environment).protected:
        return ""
    asked = somebody_is_asked(environment, yes=yes)
    plan = runs.plan(environment, **parameters)
    if asked and plan.changes:
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
    asked = somebody_is_asked(environment, yes=yes)
    if not (protected or asked):
        return ""
    found = plan()
    if asked:
        output.plan(found, as_json=False, work=work)
        typer.confirm(question, abort=True)
    return found.fingerprint if protected else ""
