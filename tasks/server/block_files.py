"""Blocks from a file, for those who would rather not type them into the UI.

`[type.name]` and the block's fields below, in TOML; every type Prefect knows here will do.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from prefect.blocks import notifications, system
from prefect.blocks.core import Block
from pydantic import ValidationError

from blocks.sources import private_text
from config.errors import ConfigError
from tasks.core.step import Change, Kind
from tasks.server.setup import BLOCKS

_NAME = re.compile(r"[a-z0-9-]+")
# Importing makes their blocks known.
KNOWN = (notifications, system, *BLOCKS)

Wanted = Mapping[str, Block]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Each block `type/name` is saved as wanted; no value is ever told."""

    wanted: Wanted
    name: str = "blocks"
    settle_s: float = 0.0

    def observe(self) -> dict[str, Block | None]:
        return {slug: _load(slug) for slug in self.wanted}

    def plan(self, actual: dict[str, Block | None]) -> Sequence[Change]:
        changes: list[Change] = []
        for slug, block in self.wanted.items():
            have = actual[slug]
            if have is None:
                changes.append(Change(Kind.MAKE, slug, f"create block {slug}", "absent", "", slug))
            elif fields := [n for n in _fields(block) if getattr(have, n) != getattr(block, n)]:
                what = f"change {', '.join(fields)} of block {slug}"
                changes.append(Change(Kind.CHANGE, slug, what, "other", "", slug))
        return changes

    def apply(self, change: Change) -> None:
        slug: str = change.action
        cast(Any, self.wanted[slug]).save(slug.partition("/")[2], overwrite=True)


def read(path: Path) -> Wanted:
    """The blocks of a file that only its owner may read.

    Raises:
        ConfigError: every problem of it, one line each; values are not repeated.
    """
    text = private_text(str(path), path)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at .*\)", str(error))
        said = where[0] if where else ""
        raise ConfigError([f"{path}: not TOML {said}; expected [type.name] and fields"]) from None
    found: dict[str, Block] = {}
    problems: list[str] = []
    for kind, blocks in tree.items():
        if not isinstance(blocks, dict):
            problems.append(f"{path}: {kind}: expected a table, like [{kind}.name]")
            continue
        for name, fields in cast(dict[str, Any], blocks).items():
            try:
                found[f"{kind}/{name}"] = _block(kind, name, fields)
            except ValidationError as error:
                problems += [
                    f"{path}: {kind}.{name}.{'.'.join(map(str, issue['loc']))}: {issue['msg']}"
                    for issue in error.errors(include_input=False, include_context=False)
                ]
            except ValueError as error:
                problems.append(f"{path}: {kind}.{name}: {error}")
    if problems:
        raise ConfigError(problems)
    return found


def _block(kind: str, name: str, fields: Any) -> Block:
    """Raises ValueError: what is wrong, without a value."""
    if not _NAME.fullmatch(name):
        raise ValueError("expected a name of lower-case letters, digits and '-'")
    if not isinstance(fields, dict):
        raise ValueError(f"expected a table, like [{kind}.{name}]")
    try:
        known = Block.get_block_class_from_key(kind)
    except Exception:  # noqa: BLE001 - Prefect raises several
        raise ValueError("no such type of block; `prefect block type ls` shows them") from None
    given = cast(dict[str, Any], fields)
    allowed = {field.alias or key for key, field in known.model_fields.items()}
    if unknown := sorted(set(given) - allowed):
        raise ValueError(f"{', '.join(unknown)} unknown; expected some of: {', '.join(allowed)}")
    return known(**given)


def _fields(block: Block) -> list[str]:
    return list(type(block).model_fields)


def _load(slug: str) -> Block | None:
    try:
        return cast(Block, Block.load(slug))  # pyright: ignore[reportUnknownMemberType]
    except ValueError:
        return None
