"""`rollout history`: who deployed or upgraded what when, from which commit, and what it changed."""

from typing import TYPE_CHECKING, Any

from cli import output
from cli.runs import server
from config.load import load_environment

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

PAGE = 100
FLOWS = ("deploy", "upgrade", "rollback", "switch", "adopt")
FIELDS = (
    *("by", "approved_by", "release", "upgrade", "result", "point"),
    *("commit", "changes", "reason"),
)


def history(environment: str, *, limit: int, as_json: bool) -> None:
    """Print the table, or one JSON object."""
    rows = deploys(environment, limit=limit)
    if as_json:
        output.json_line({"environment": environment, "deploys": rows})
        return
    if rows:
        output.table(rows, f"Deploys and upgrades of {environment}")
    output.say(f"{len(rows)} deploys and upgrades")


def deploys(environment: str, *, limit: int) -> list[dict[str, Any]]:
    """A row for each run of these flows the server knows, newest first; no dry runs."""
    load_environment(environment)
    with server(environment):
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
        from prefect.client.schemas.sorting import FlowRunSort

        from blocks.prefect_api import require_server

        require_server(f"the history of {environment}")
        names = [f"{flow} {environment}" for flow in FLOWS]
        named = FlowRunFilter(name=FlowRunFilterName(any_=names))
        with get_client(sync_client=True) as client:
            runs: list[FlowRun] = []
            while len(runs) < limit:
                page = client.read_flow_runs(
                    flow_run_filter=named,
                    sort=FlowRunSort.START_TIME_DESC,
                    limit=PAGE,
                    offset=len(runs),
                )
                runs += page
                if len(page) < PAGE:
                    break
    return [_row(run) for run in runs if not run.parameters.get("dry_run")][:limit]


def _row(run: "FlowRun") -> dict[str, Any]:
    labels = {name: run.labels.get(f"rollout.{name}", "") for name in FIELDS}
    began = run.start_time or run.created
    return {
        "run": run.name.partition(" ")[0],
        "when": began.astimezone().strftime("%Y-%m-%d %H:%M") if began else "",
        "state": run.state_name or "",
        "seconds": round(run.total_run_time.total_seconds()),
        **labels,
    }
