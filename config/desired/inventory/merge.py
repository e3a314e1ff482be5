"""The user's pigsty.yml with what Dify needs, every other byte as it was."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

from config.desired.inventory.conflicts import conflicts
from config.desired.inventory.document import (
    FILE,
    MAPPING,
    SEQUENCE,
    Document,
    Path,
    dotted,
    key_of,
    line_of,
    read,
)
from config.desired.inventory.edits import edited
from config.desired.inventory.effective import (
    Variables,
    elsewhere,
    opened,
    overlaid,
    without,
)
from config.desired.inventory.fragment import Fragment
from config.desired.inventory.structure import misshapen
from config.desired.inventory.values import unusable
from config.desired.inventory.wanted import wanted
from config.desired.inventory.wants import laid
from config.errors import ConfigError

NOTHING: Variables = {}


def problems(text: str, file: str = FILE) -> list[str]:
    """What makes the text no inventory, each as `file:line: key: what; what is expected`."""
    try:
        document = read(text, file)
    except ConfigError as error:
        return error.problems
    return _wrong(document, file)


def merge(text: str, fragment: Fragment, file: str = FILE, variables: Variables = NOTHING) -> str:
    """`text` if it says everything already; else with the smallest edits that make it.

    `variables`: what Ansible resolves for each machine, where the text alone does not say all.

    Raises:
        ConfigError: the text is no inventory, or says something that we must not change; every
            problem is named as by `problems`.
    """
    document = read(text, file)
    if wrong := _wrong(document, file):
        raise ConfigError(wrong)
    document = replace(document, tree=opened(document.tree, variables))
    hidden = elsewhere(document.tree, variables)
    seen = overlaid(document.tree, hidden)
    want, lacks = without(wanted(seen, fragment), hidden)
    if wrong := _said(document, chain(conflicts(seen, fragment), lacks), file):
        raise ConfigError(wrong)
    result = edited(document, want, file)
    if opened(read(result, file).tree, variables) != laid(document.tree, want):
        raise ConfigError(
            [f"{file}: written in a way that cannot be edited safely; expected plain YAML"]
        )
    return result


def seed(fragment: Fragment) -> str:
    """The least a new inventory has before ours is in it: to show what that will be."""
    cluster = fragment.postgres
    return (
        f"all:\n  children:\n    {cluster.name}:\n      vars:\n"
        f"        {cluster.identity}: {cluster.name}\n"
        f"  vars:\n    admin_ip: {fragment.admin_ip}\n"
    )


def _wrong(document: Document, file: str) -> list[str]:
    """Values are looked at only where the shape is right."""
    found = _said(document, misshapen(document.tree), file)
    return found or _said(document, unusable(document.tree), file)


def _said(document: Document, found: Iterable[tuple[Path, str]], file: str) -> list[str]:
    return [
        f"{file}:{_line(document, path)}: {dotted(path) or 'all'}: {message}"
        for path, message in found
    ]


def _line(document: Document, path: Path) -> int:
    """Of the key, or of the nearest above it that is there."""
    node: Any = document.root
    line = 1
    for part in path:
        if node.id == MAPPING:
            pair = next((p for p in node.value if str(key_of(p[0])) == str(part)), None)
            if pair is None:
                break
            line, node = line_of(pair[0]), pair[1]
        elif node.id == SEQUENCE:
            item = _item(node, part)
            if item is None:
                break
            line, node = line_of(item), item
    return line


def _item(node: Any, part: str | int) -> Any:
    """By number or by its `name`."""
    if isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    for item in node.value:
        if item.id == MAPPING:
            for key, value in item.value:
                if key_of(key) == "name" and key_of(value) == part:
                    return item
    return None
