"""The kinds of blocks this project keeps secrets and connections in, so that the UI offers them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient

from tasks.step import Change

Kind = type[Block]


@dataclass(frozen=True, slots=True)
class BlockTypes:
    """Each kind is known to the server, with the form its fields need now."""

    client: SyncPrefectClient
    kinds: tuple[Kind, ...]
    name: str = "block types"
    settle_s: float = 0.0

    def observe(self) -> dict[str, str | None]:
        """Slug → checksum of the newest schema the server has, None without one."""
        found: dict[str, str | None] = {}
        for known in self.client.read_block_types():
            if known.slug in {_slug(kind) for kind in self.kinds}:
                schema: Any = self.client.get_most_recent_block_schema_for_block_type(known.id)
                found[known.slug] = schema.checksum if schema else None
        return found

    def plan(self, actual: dict[str, str | None]) -> Sequence[Change]:
        return [
            Change(f"register block type {_slug(kind)}", before, "as this version has it", kind)
            for kind in self.kinds
            if (before := self._stale(kind, actual))
        ]

    def apply(self, change: Change) -> None:
        kind: Kind = change.action
        kind.register_type_and_schema()

    def _stale(self, kind: Kind, actual: dict[str, str | None]) -> str:
        """How the server's differs, empty if it does not."""
        if _slug(kind) not in actual:
            return "absent"
        return "" if actual[_slug(kind)] == kind._calculate_schema_checksum() else "older"  # pyright: ignore[reportPrivateUsage]


def _slug(kind: Kind) -> str:
    return str(kind.get_block_type_slug())
