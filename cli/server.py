"""`rollout server`: what the configured Prefect server has to know."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DryRun, Json

app = typer.Typer(no_args_is_help=True, help="Set up the configured Prefect server.")


@app.command()
def setup(json: Json = False, dry_run: DryRun = False) -> None:
    """Give the server its work pool, block types, deployments, automations."""
    from cli import server_setup

    server_setup.setup(dry_run=dry_run, as_json=json)


@app.command()
def blocks(
    file: Annotated[Path, typer.Argument(help="TOML, mode 0600: [type.name] and the fields")],
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Save Prefect blocks from a file, like logins and notification targets."""
    from cli import server_blocks

    server_blocks.apply(file, dry_run=dry_run, as_json=json)
