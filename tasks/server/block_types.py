"""The kinds of blocks this project keeps secrets and connections in, so that the UI offers them."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import BlockType

from tasks.core.step import Change
from tasks.core.step import Kind as To

Kind = type[Block]


@dataclass(frozen=True, slots=True)
class Known:
    """Checksum of the form, and what stands around it."""

    checksum: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlockTypes:
    """Each kind is known to the server, with the form its fields need now, icon and example."""

    client: SyncPrefectClient
    kinds: tuple[Kind, ...]
    name: str = "block types"
    settle_s: float = 0.0

    def observe(self) -> dict[str, Known]:
        found: dict[str, Known] = {}
        for known in self.client.read_block_types():
            if known.slug in {_slug(kind) for kind in self.kinds}:
                schema: Any = self.client.get_most_recent_block_schema_for_block_type(known.id)
                found[known.slug] = Known(schema.checksum if schema else "", _shown(known))
        return found

    def plan(self, actual: dict[str, Known]) -> Sequence[Change]:
        return [
            Change(
                To.CHANGE,
                _slug(kind),
                f"register block type {_slug(kind)}",
                before,
                "as this version has it",
                kind,
            )
            for kind in self.kinds
            if (before := self._stale(kind, actual))
        ]

    def apply(self, change: Change) -> None:
        kind: Kind = change.action
        kind.register_type_and_schema()

    def _stale(self, kind: Kind, actual: dict[str, Known]) -> str:
        """How the server's differs, empty if it does not."""
        if _slug(kind) not in actual:
            return "absent"
        wanted = Known(kind._calculate_schema_checksum(), _shown(kind._to_block_type()))  # pyright: ignore[reportPrivateUsage]
        return "" if actual[_slug(kind)] == wanted else "older"


def _slug(kind: Kind) -> str:
    return str(kind.get_block_type_slug())


def _shown(kind: BlockType) -> tuple[str, ...]:
    """The server escapes some of it as HTML."""
    texts = (kind.description, kind.code_example, kind.logo_url, kind.documentation_url)
    return tuple(html.unescape(str(text or "")) for text in texts)
