"""Arguments and options that several commands take."""

from typing import Annotated

import typer

Environment = Annotated[str, typer.Argument(help="A file of config/environments, without .toml")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout")]
DryRun = Annotated[bool, typer.Option(help="Only show what would change")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]
Version = Annotated[str, typer.Option("--release", help="Dify's version instead of the file's")]
