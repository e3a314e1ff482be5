"""Whom an environment notifies: Prefect's own notification blocks, by `type/name`."""

import re
from typing import Any, cast

import httpx
from prefect.blocks import notifications as _kinds  # noqa: F401  # pyright: ignore[reportUnusedImport] - known by their slugs then
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block

from blocks.prefect_api import require_server
from config.errors import RolloutError


class NotNotified(RolloutError):
    """A message that did not go out."""


def send(slug: str, subject: str, body: str) -> None:
    """Hand a message to the block.

    Its address is a secret, so that of what went wrong only the kind and a status are told.

    Raises:
        NotNotified: there is no such block, it notifies nobody, or nobody took the message.
    """
    require_server(f"health.notify: the block {slug}")
    try:
        block: Any = Block.load(slug)  # pyright: ignore[reportUnknownMemberType]
    except ValueError:
        raise NotNotified(f"no Prefect block {slug}; create it in the UI under Blocks") from None
    if not isinstance(block, NotificationBlock):
        raise NotNotified(
            f"the Prefect block {slug} notifies nobody; expected a notification block"
        )
    try:
        with cast(Any, block).raise_on_failure():
            cast(Any, block).notify(body, subject)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise NotNotified(f"{slug} took no message: HTTP status {status}") from None
    except httpx.HTTPError as error:
        raise NotNotified(f"{slug} took no message: {type(error).__name__}") from None
    except NotificationError as error:
        found = re.search(r"error=(\d+)", str(error.log))
        why = f"HTTP status {found[1]}" if found else "nobody answers at its address"
        raise NotNotified(f"{slug} took no message: {why}") from None
