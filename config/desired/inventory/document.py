"""pigsty.yml as text with the place of every value in it, read as Ansible reads it."""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.events import AliasEvent

from config.desired.inventory.data import is_list, is_mapping
from config.desired.inventory.tabs import despite_tabs
from config.errors import ConfigError

FILE = "pigsty.yml"
VAULTED = "$ANSIBLE_VAULT;"
ANSIBLE = (1, 1)
MERGE = "tag:yaml.org,2002:merge"
MAPPING, SEQUENCE, SCALAR = "mapping", "sequence", "scalar"
BLOCK_SCALARS = ("|", ">")

Span = tuple[int, int]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A text that parsed: `root` has the places, `tree` the plain data.

    `aliases`: where the alias of a slot stands, whose node is that of the anchor. A slot is the
    parent's id and the key's id or the item's number. `shared`: nodes that stand in several slots.
    """

    text: str
    root: Any
    tree: dict[str, Any]
    aliases: dict[tuple[int, int], Span]
    shared: frozenset[int]


@lru_cache(maxsize=8)
def read(text: str, file: str = FILE) -> Document:
    """The document, not to be changed; kept, since one run asks several times for 20 ms of work.

    Raises:
        ConfigError: everything that is wrong with the text as YAML.
    """
    if text.startswith(VAULTED):
        raise ConfigError(
            [
                f"{file}: vaulted as a whole, so that no line of it can be edited; expected it in "
                "clear (`ansible-vault decrypt`), with its secret values vaulted each "
                "(`ansible-vault encrypt_string`) or in group_vars"
            ]
        )
    aliases: dict[tuple[int, int], Span] = {}
    yaml = YAML(typ="safe", pure=True)
    yaml.version = ANSIBLE  # pyright: ignore[reportAttributeAccessIssue]
    yaml.Composer = _recording(aliases)
    try:
        with warnings.catch_warnings():  # one of them quotes the line, whatever is on it
            warnings.simplefilter("ignore", YAMLWarning)
            root: Any = despite_tabs(text, yaml.compose)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    except MarkedYAMLError as error:
        raise ConfigError([_unreadable(error, text, file)]) from None
    except YAMLError as error:
        why = _words(str(error)).split(' in "<')[0]
        raise ConfigError([f"{file}: not YAML: {why}; expected valid YAML"]) from None
    if root is None or root.id != MAPPING:
        raise ConfigError([f"{file}:1: no mapping at the top; expected the key 'all'"])
    if problems := list(_duplicates(root, (), file, set())):
        raise ConfigError(problems)
    shared = frozenset(node for node, slots in _slots(root).items() if slots > 1)
    constructor: Any = yaml.constructor  # pyright: ignore[reportUnknownMemberType]
    return Document(text, root, _plain(root, constructor), aliases, shared)


def line_of(node: Any) -> int:
    return int(node.start_mark.line) + 1


def key_of(node: Any) -> Any:
    """A mapping's key as data; what is no scalar only has to differ from every name."""
    return node.value if node.id == SCALAR else id(node)


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _recording(aliases: dict[tuple[int, int], Span]) -> Any:
    untyped: Any = Composer

    class Recording(untyped):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.parser.check_event(AliasEvent):
                event = self.parser.peek_event()
                slot = index if isinstance(index, int) else id(index)
                aliases[id(parent), slot] = event.start_mark.index, event.end_mark.index
            return untyped.compose_node(self, parent, index)

    return Recording


def _unreadable(error: Any, text: str, file: str) -> str:
    mark: Any = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    lines = text.splitlines()
    shown = lines[line] if line < len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return f"{file}:{line + 1}: a tab indents the line; expected spaces"
    words = _words(str(error.problem or error.context or "it does not parse"))
    key = shown.strip().split(":")[0].lstrip("- {") if ":" in shown else ""
    at = f"{key}: " if key and "#" not in key else ""
    return f"{file}:{line + 1}: {at}not YAML: {words}; expected valid YAML"


def _words(text: str) -> str:
    return " ".join(text.split())


def _duplicates(node: Any, path: Path, file: str, seen: set[int]) -> Iterator[str]:
    """Ansible takes the last of two equal keys and only warns; which one is meant is unclear."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if node.id == MAPPING:
        counted = Counter(key_of(key) for key, _ in node.value if key.tag != MERGE)
        for key, value in node.value:
            name = key_of(key)
            if counted[name] > 1:
                where = [line_of(k) for k, _ in node.value if key_of(k) == name]
                counted[name] = 0
                yield (
                    f"{file}:{where[-1]}: {dotted((*path, name))}: also on line {where[0]}; "
                    "expected every key once"
                )
            yield from _duplicates(value, (*path, name), file, seen)
    elif node.id == SEQUENCE:
        for index, item in enumerate(node.value):
            yield from _duplicates(item, (*path, index), file, seen)


def _slots(root: Any) -> Counter[int]:
    found: Counter[int] = Counter()
    todo = [root]
    while todo:
        node = todo.pop()
        found[id(node)] += 1
        if found[id(node)] > 1:
            continue
        if node.id == MAPPING:
            todo += [part for pair in node.value for part in pair]
        elif node.id == SEQUENCE:
            todo += node.value
    return found


def _plain(node: Any, constructor: Any) -> Any:
    if node.id == SEQUENCE:
        return [_plain(item, constructor) for item in node.value]
    if node.id == MAPPING:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key, value in node.value:
            data = _plain(value, constructor)
            if key.tag == MERGE:
                for source in data if is_list(data) else [data]:
                    merged = {**source, **merged} if is_mapping(source) else merged
            else:
                own[_plain(key, constructor) if key.id == SCALAR else id(key)] = data
        return {**{k: v for k, v in merged.items() if k not in own}, **own}
    if not str(node.tag).startswith("tag:yaml.org"):
        return node.value  # !vault, !unsafe
    return constructor.construct_object(node)
