"""`rollout server blocks`: save Prefect blocks from a file, instead of typing them into the UI."""

from pathlib import Path

from cli import output
from cli.server_setup import configured_server


def apply(file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Do it, and show what changed; never a value.

    Raises:
        RolloutError: the file, or the server, is not as it must be.
    """
    with configured_server() as url:
        from tasks.core.step import converge
        from tasks.server.block_files import Blocks, read

        wanted = read(file)
        outcome = converge(Blocks(wanted), dry_run=dry_run)
    rows = [{"what": change.what, "before": change.before} for change in outcome.changes]
    if as_json:
        output.json_line({"server": url, "blocks": len(wanted), "changes": rows})
        return
    if rows:
        output.table(rows, f"Blocks of the Prefect server at {url}")
    done = "would change; nothing was applied" if dry_run else "changed"
    output.say(f"{len(rows)} of {len(wanted)} blocks {done}")
