"""One client of the Prefect server for the whole process: making one costs more than it asks."""

from functools import cache

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL


def api() -> SyncPrefectClient:
    """The client of the server that is configured here and now; it serves all threads."""
    return _client(PREFECT_API_URL.value())


@cache
def _client(_url: str | None) -> SyncPrefectClient:
    return get_client(sync_client=True).__enter__()
