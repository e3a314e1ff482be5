"""How values are written as YAML that every reader takes for the same."""

import json
import re
from typing import Any

from config.desired.inventory.data import is_list, is_mapping, items

WIDTH = 100

# What no YAML version reads as anything but text: not yes, 0755, 12:30 or 1e3.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*|\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?|\d+MB")
_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_RESERVED = re.compile(r"y|n|yes|no|on|off|true|false|null|none|\.?inf|\.?nan", re.IGNORECASE)

# What JSON leaves as it is, and YAML takes for the end of a line.
_BREAKS = str.maketrans({"\x85": "\\x85", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def scalar(value: Any, *, quote: str | None = None) -> str:
    """`quote`: how the value that is replaced was quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) or _WORDS.fullmatch(text)
    if plain and not _RESERVED.fullmatch(text) and quote is None:
        return text
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False).translate(_BREAKS)


def flow(value: Any) -> str:
    """On one line, as in Pigsty's own templates."""
    if is_mapping(value):
        pairs = [f"{scalar(key)}: {flow(item)}" for key, item in value.items()]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if is_list(value):
        return "[ " + ", ".join(map(flow, value)) + " ]" if value else "[]"
    return scalar(value)


def block_body(value: Any, indent: int) -> list[str]:
    """Lines of a mapping or list that is not empty, below its key."""
    if is_list(value):
        return [f"{' ' * indent}- {flow(item)}" for item in value]
    return [line for key, item in value.items() for line in _pair(key, item, indent)]


def _pair(key: Any, value: Any, indent: int) -> list[str]:
    """What fits is written on the key's line, a list of records never."""
    head = f"{' ' * indent}{scalar(key)}:"
    line = f"{head} {flow(value)}"
    records = any(map(is_mapping, items(value)))
    if (
        not value
        or not (is_mapping(value) or is_list(value))
        or (len(line) <= WIDTH and not records)
    ):
        return [line]
    return [head, *block_body(value, indent + 2)]
