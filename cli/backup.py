"""`rollout backup`: take a restore point, list all of them, check that they are whole."""

from typing import Annotated, Literal

import typer

from cli.groups import BackupCommands
from cli.options import Environment, Json

app = typer.Typer(
    cls=BackupCommands,
    no_args_is_help=True,
    help="Take a restore point: rollout backup ENV. List and check them.",
)


@app.command()
def take(
    environment: Environment,
    json: Json = False,
    before: Annotated[
        Literal["upgrade", "adoption"] | None,
        typer.Option(help="The change it is made for; kept until that is proved"),
    ] = None,
) -> None:
    """Take a restore point: database, files, secrets and what ran, while Dify goes on running."""
    from cli import point_output, runs
    from cli.bars import bars

    with bars(shares=True):
        report = runs.backup(environment, before=before or "")
    point_output.points(report, as_json=json)


@app.command("list")
def list_(environment: Environment, json: Json = False) -> None:
    """List the restore points."""
    _points(environment, check=False, json=json)


@app.command()
def check(environment: Environment, json: Json = False) -> None:
    """Read and verify all data of the restore points, and list them."""
    _points(environment, check=True, json=json)


def _points(environment: str, *, check: bool, json: bool) -> None:
    from cli import point_output, runs
    from cli.bars import bars

    with bars(shares=True):
        report = runs.points(environment, check=check)
    point_output.points(report, as_json=json)
