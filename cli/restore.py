"""`rollout restore`: back to a point; a release that would move its schema up is asked about."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from cli import point_output, runs
from cli.approve import confirm_if_protected
from cli.bars import bars
from cli.output import say

if TYPE_CHECKING:
    from flows.parts.restore_report import RestoreReport


def restore(
    environment: str, *, migrate: bool, yes: bool, as_json: bool, **parameters: Any
) -> None:
    """Restore, and ask where only a person can say; nothing was stopped when that is found out."""
    confirm_if_protected(environment, yes=yes, doing="Restore")
    from tasks.points.fits import WouldMigrate

    try:
        report = _run(environment, migrate=migrate, **parameters)
    except WouldMigrate as error:
        if not sys.stdin.isatty():
            raise
        say(str(error))
        typer.confirm("Migrate it up?", abort=True)
        report = _run(environment, migrate=True, **parameters)
    point_output.restore(report, as_json=as_json)


def _run(environment: str, **parameters: Any) -> "RestoreReport":
    with bars(shares=True):
        return runs.restore(environment, **parameters)
