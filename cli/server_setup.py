"""`rollout server setup`: a Prefect server has what prefect.yaml and the environments say."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from cli import output, server_errors
from config.errors import RolloutError
from config.load import environment_names, load_environment


@contextmanager
def configured_server() -> Generator[str]:
    """The address of the Prefect server that is configured.

    Raises:
        RolloutError: there is none, or it does not answer.
    """
    import httpx
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        raise RolloutError(
            "no Prefect server is configured; expected PREFECT_API_URL, "
            "like: prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    try:
        yield url
    except httpx.HTTPError as error:
        said = server_errors.sentence(error) or f"the Prefect server does not answer: {error}"
        raise RolloutError(said) from None


def setup(*, dry_run: bool, as_json: bool) -> None:
    """Do it, and show what changed.

    Raises:
        RolloutError: no server is configured, or it does not answer.
    """
    with configured_server() as url:
        rows = apply_setup(environment_names(), dry_run=dry_run)
    if as_json:
        output.json_line({"server": url, "changes": rows})
        return
    if rows:
        output.table(rows, f"The Prefect server at {url}")
    done = "would change; nothing was applied" if dry_run else "changed"
    output.say(f"{len(rows)} things {done}")


def apply_setup(names: list[str], *, dry_run: bool = False) -> list[dict[str, Any]]:
    """A row for each change made, or to be made, for these environments."""
    from prefect.client.orchestration import get_client

    from tasks.core.step import converge
    from tasks.server.setup import setup_steps

    environments = {name: load_environment(name) for name in names}
    with get_client(sync_client=True) as client:
        outcomes = [converge(step, dry_run=dry_run) for step in setup_steps(client, environments)]
    return [
        {"part": outcome.step, "what": c.what, "before": c.before, "after": c.after}
        for outcome in outcomes
        for c in outcome.changes
    ]
