"""The last runs of an environment, as the Prefect server keeps them."""

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterTags,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort, LogSort

from config.rules.deployments import OURS

RUNS, PAGE, LINES = 10, 200, 2000


def run_logs(environment: str) -> dict[str, str]:
    """Name of a file → state and log of a run, of the newest ones."""
    chosen = FlowRunFilter(tags=FlowRunFilterTags(all_=[OURS, environment]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=RUNS
        )
        return {_name(run): "\n".join([_head(run), *_lines(client, run)]) for run in runs}


def _name(run: FlowRun) -> str:
    began = run.start_time or run.created
    at = began.strftime("%Y%m%dT%H%M%SZ") if began else "never"
    return f"{at} {run.name}.log"


def _head(run: FlowRun) -> str:
    state = run.state
    return f"{run.id} {run.state_name}: {(state.message if state else '') or ''}"


def _lines(client: SyncPrefectClient, run: FlowRun) -> list[str]:
    """The newest lines of its log, the oldest of them first."""
    found: list[str] = []
    for offset in range(0, LINES, PAGE):
        page = client.read_logs(
            log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])),
            sort=LogSort.TIMESTAMP_DESC,
            limit=PAGE,
            offset=offset,
        )
        found += [f"{line.timestamp:%Y-%m-%d %H:%M:%S} {line.message}" for line in page]
        if len(page) < PAGE:
            break
    return found[::-1]
