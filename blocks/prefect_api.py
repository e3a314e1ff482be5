"""The Prefect server of this process: whether one is named, and one client for all requests.

Making a client costs more than it asks.
"""

from functools import cache
from typing import TypeVar, cast

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from config.errors import RolloutError

B = TypeVar("B", bound=Block)


def configured() -> bool:
    """Whether a Prefect server is named. Where none is, none is started, and no block is read."""
    return bool(PREFECT_API_URL.value())


def server_url() -> str:
    """The address of the Prefect server that is named, empty where none is."""
    return PREFECT_API_URL.value() or ""


def require_server(wanted: str) -> None:
    """Raises RolloutError where no server is named that could have what is wanted."""
    if not configured():
        raise RolloutError(
            f"{wanted} is kept by a Prefect server, and none is configured; "
            "expected PREFECT_API_URL of the one that has it"
        )


def load_block(kind: type[B], name: str) -> B | None:
    """The saved block, None where the server says that it has none of that name.

    Raises:
        RolloutError: what answers is no Prefect server, or its block is of another kind.
    """
    try:
        return cast(B, kind.load(name))  # pyright: ignore[reportUnknownMemberType]
    except ValueError as error:
        if _is_absent(error.__cause__):
            return None
        raise RolloutError(
            f"the Prefect server at {PREFECT_API_URL.value()} has no answer about the block {name} "
            f"({type(error).__name__}); expected the address of a Prefect 3 server"
        ) from None


def _is_absent(cause: BaseException | None) -> bool:
    """Whether a Prefect server said so: any other one, too, knows no such page."""
    if not isinstance(cause, ObjectNotFound):
        return False
    response = getattr(cause.http_exc, "response", None)
    return response is None or "json" in response.headers.get("content-type", "")


def api() -> SyncPrefectClient:
    """The client of the server that is configured here and now; it serves all threads."""
    return _client(PREFECT_API_URL.value())


@cache
def _client(_url: str | None) -> SyncPrefectClient:
    return get_client(sync_client=True).__enter__()
