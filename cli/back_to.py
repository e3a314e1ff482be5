"""Going back to a moment from the terminal: show what that undoes, ask, go back."""

import sys

import typer

from cli import point_output, runs
from cli.bars import bars
from config.errors import RolloutError


def back_to(environment: str, to_time: str, *, preview: bool, yes: bool, as_json: bool) -> None:
    if not to_time:
        raise RolloutError("--preview: of what; expected --to-time with it")
    if not preview and not yes and not sys.stdin.isatty():
        raise RolloutError(f"{environment} would go back; expected --yes where nobody can be asked")
    if preview or not yes:
        report = runs.preview_loss(environment, to_time=to_time)
        point_output.loss(report, as_json=preview and as_json)
    if preview:
        return
    if not yes:
        typer.confirm(f"Take the whole cluster of {environment} back to {to_time}?", abort=True)
    with bars(shares=True):
        done = runs.back_to(environment, to_time=to_time)
    point_output.restore(done, as_json=as_json)
