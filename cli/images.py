"""`rollout images`: what there is to do with images apart from a deploy."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Environment, Json, Version, Yes

app = typer.Typer(no_args_is_help=True, help="Fetch, bundle, load and clear away images.")

File = Annotated[Path, typer.Argument(help="The bundle")]
Extra = Annotated[
    list[Path] | None,
    typer.Option("--extra", help="Also these: plugins, wheels, or a folder of them; repeatable"),
]


@app.command()
def pull(environment: Environment, json: Json = False, release: Version = "") -> None:
    """Get every image of the environment's release to its nodes."""
    _run(environment, "pull", json=json, release=release)


@app.command()
def bundle(
    environment: Environment,
    file: File,
    extra: Extra = None,
    json: Json = False,
    release: Version = "",
) -> None:
    """Write every image of the environment's release into one file."""
    added = [str(path.resolve()) for path in extra or []]
    path = str(file.resolve())
    _run(environment, "bundle", json=json, file=path, extra=added, release=release)


@app.command()
def verify(file: File, json: Json = False) -> None:
    """Check every byte of a bundle without loading it, and show what it holds."""
    import time

    from cli.bars import bars
    from tasks.images.bundle_proof import prove
    from tasks.images.bundle_reader import opened
    from tasks.images.bundle_report import bundled

    began, found = time.monotonic(), opened(file)
    with bars():
        prove(found)
    rows = bundled(found.contents)
    _say(found.contents.environment, "verify", rows, time.monotonic() - began, json=json)


@app.command()
def load(
    file: File,
    environment: Annotated[str, typer.Argument(help="Default: the one it was made for")] = "",
    extra_to: Annotated[Path | None, typer.Option(help="Folder for what --extra added")] = None,
    json: Json = False,
) -> None:
    """Verify a bundle and load to the environment's nodes what they lack of it."""
    from tasks.core.site import without_secrets
    from tasks.images.bundle_loader import is_loaded
    from tasks.images.bundle_reader import opened

    found = opened(file)
    name = environment or found.contents.environment
    if not extra_to and all(is_loaded(found, on.docker) for on in without_secrets(name).on_each()):
        _say(name, "load", [], 0.0, json=json)
        return
    folder = str(extra_to.resolve()) if extra_to else ""
    _run(name, "load", json=json, file=str(file.resolve()), extra_to=folder)


@app.command("list")
def list_(environment: Environment, json: Json = False) -> None:
    """Show the images of all releases on the environment's nodes, and why each is kept."""
    _run(environment, "list", json=json)


@app.command()
def prune(
    environment: Environment,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove the images of releases that nothing uses and no rollback needs."""
    from cli import runs
    from config.errors import RolloutError
    from tasks.core.site import without_secrets
    from tasks.images import prune as housekeeping

    with runs.server(environment):
        found = housekeeping.unused(housekeeping.look(without_secrets(environment)))
    for kept in found:
        typer.echo(f"unused on {kept.node}: {kept.name}, {kept.image.size / 1e6:.0f} MB", err=True)
    if found and not yes:
        if not sys.stdin.isatty():
            raise RolloutError("prune removes images; expected --yes where nobody can be asked")
        typer.confirm(f"Remove these {len(found)}?", abort=True)
    _run(environment, "prune", json=json)


def _run(environment: str, action: str, *, json: bool, **parameters: object) -> None:
    from cli import runs
    from cli.bars import bars

    with bars():
        report = runs.images(environment, action=action, **parameters)
    _say(environment, action, report.rows, report.seconds, json=json)


def _say(
    environment: str, action: str, rows: list[dict[str, Any]], seconds: float, *, json: bool
) -> None:
    from cli import output

    if json:
        output.json_line(
            {
                "environment": environment,
                "action": action,
                "rows": rows,
                "seconds": output.in_s(seconds),
            }
        )
        return
    if rows:
        output.table(rows, f"{action} {environment}")
    output.say(f"{action}: {len(rows) or 'nothing to do'} ({seconds:.1f} s)")
