"""Blocks that keep secrets in a table: the server masks every value of it.

Prefect by itself masks a secret only where it is a field of its own; a value in a table would be
shown to whoever opens the block in the UI.
"""

from collections.abc import Callable
from typing import Any, cast

from prefect.blocks.core import Block

Extra = Callable[[dict[str, Any], type[Any]], None]


def masked(*tables: str) -> Extra:
    """The `json_schema_extra` of a block with these tables."""
    prefects = cast(Extra, Block.model_config.get("json_schema_extra"))

    def extra(schema: dict[str, Any], model: type[Any]) -> None:
        prefects(schema, model)
        found: list[str] = schema["secret_fields"]
        schema["secret_fields"] = [f"{name}.*" if name in tables else name for name in found]

    return extra
