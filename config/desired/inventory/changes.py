"""What an edit of pigsty.yml changes, as people read it: key by key, and as a diff; masked."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from config.desired.inventory.data import is_list, is_mapping
from config.desired.inventory.document import FILE, dotted, read
from config.desired.inventory.masking import MASK, NEW, is_secret, masked, plain
from config.desired.inventory.notation import flow

ABSENT = "absent"
Tree = dict[str, Any]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key whose value differs; values are masked."""

    path: str
    before: str
    after: str


def changes(before: str, after: str, secrets: Iterable[str]) -> list[Difference]:
    """Every key that differs, outermost where all below it is new. `before` may be empty."""
    secrets = list(secrets)
    return [
        Difference(dotted(path), _shown(path, old, secrets), _shown(path, new, secrets, old))
        for path, old, new in _different(_tree(before), _tree(after), ())
    ]


def diff(before: str, after: str, secrets: Iterable[str], file: str = FILE) -> str:
    """A unified diff of the two texts; a secret that changes reads `*** (new)`."""
    secrets = list(secrets)
    old, new = masked(before, secrets), masked(after, secrets, before)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), file, file, lineterm="", n=2)
    return "\n".join(lines)


def _tree(text: str) -> Tree:
    return read(text).tree if text.strip() else {}


def _different(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    if old == new:
        return
    if is_mapping(old) and is_mapping(new):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _different(old.get(key), new.get(key), (*path, str(key)))
    elif is_list(old) and is_list(new):
        yield from _different(_by_name(old), _by_name(new), path)
    else:
        yield path, old, new


def _by_name(items: list[Any]) -> dict[str, Any]:
    """Records by name, others by what they say: the order of a list is no difference."""
    named: dict[str, Any] = {}
    for item in items:
        name = item.get("name") or item.get("title") if is_mapping(item) else None
        named[str(name or flow(item))] = item
    return named


def _shown(path: Path, value: Any, secrets: list[str], old: Any = None) -> str:
    if value is None:
        return ABSENT
    if any(map(is_secret, path)):
        return MASK if old in (None, value) else NEW
    return plain(flow(_masked(value)), secrets)


def _masked(value: Any) -> Any:
    if is_mapping(value):
        return {k: MASK if is_secret(k) and v else _masked(v) for k, v in value.items()}
    return [_masked(item) for item in value] if is_list(value) else value
