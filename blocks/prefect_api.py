"""The Prefect server of this process: whether one is named, and one client for all requests.

Making a client costs more than it asks.
"""

from functools import cache

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL

from config.errors import RolloutError


def configured() -> bool:
    """Whether a Prefect server is named. Where none is, none is started, and no block is read."""
    return bool(PREFECT_API_URL.value())


def require_server(wanted: str) -> None:
    """Raises RolloutError where no server is named that could have what is wanted."""
    if not configured():
        raise RolloutError(
            f"{wanted} is kept by a Prefect server, and none is configured; "
            "expected PREFECT_API_URL of the one that has it"
        )


def api() -> SyncPrefectClient:
    """The client of the server that is configured here and now; it serves all threads."""
    return _client(PREFECT_API_URL.value())


@cache
def _client(_url: str | None) -> SyncPrefectClient:
    return get_client(sync_client=True).__enter__()
