"""`rollout release`: files of config/releases, made from what Dify's own tree says."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Prepare a file of config/releases.")

MOST_BYTES = 1_000_000


@app.command()
def draft(
    version: Annotated[str, typer.Argument(help="Dify's, like 1.18.0")],
    source: Annotated[Path, typer.Option(help="An unpacked Dify, or its docker folder")],
) -> None:
    """Write a release file for the version, each point that is open marked."""
    from config.errors import RolloutError
    from config.load import RELEASES, load_release, release_names
    from config.release_draft.differences import differences, nearest
    from config.release_draft.source import read
    from config.release_draft.text import MARK
    from config.release_draft.text import draft as written

    path = RELEASES / f"{version}.toml"
    if path.exists():
        raise RolloutError(f"{path} is there; expected a version without a release file")
    beside = nearest(version, release_names())
    found = differences(read(_files(source)), load_release(beside))
    text = written(version, beside, (RELEASES / f"{beside}.toml").read_text(), found)
    path.write_text(text)
    typer.echo(f"{path}: beside {beside}, {text.count(MARK)} points to decide")


def _files(folder: Path) -> dict[str, str]:
    from config.errors import RolloutError
    from config.release_draft.source import COMPOSE, wanted

    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    found = {
        name: path.read_text(encoding="utf-8", errors="replace")
        for name, path in paths.items()
        if wanted(name) and path.stat().st_size <= MOST_BYTES
    }
    if not any(name.endswith(COMPOSE) for name in found):
        raise RolloutError(f"{folder} holds no {COMPOSE}; expected a Dify source tree")
    return found


@app.command()
def check(
    version: Annotated[str, typer.Argument(help="A file of config/releases")],
    environment: Annotated[str, typer.Argument(help="Whose first node has the images")],
) -> None:
    """Hold a release file against its real images, and show what differs."""
    from cli.runs import server
    from tasks.images.release_check import differences, opened

    with server(environment):
        found = differences(opened(version, environment))
    for each in found:
        typer.echo(each)
    typer.echo(f"{len(found)} differences between config/releases/{version}.toml and its images")
    raise typer.Exit(1 if found else 0)
