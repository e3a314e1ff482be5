"""The smallest edits of the text that make it say what is wanted.

Writing the parsed file anew would move comments, quotes and long lines; so only our own lines and
values are put into the text, at the places its parser found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from config.desired.inventory.data import is_list, is_mapping
from config.desired.inventory.document import (
    BLOCK_SCALARS,
    FILE,
    MAPPING,
    MERGE,
    SCALAR,
    SEQUENCE,
    Document,
    Path,
    dotted,
    key_of,
    line_of,
)
from config.desired.inventory.notation import block_body, flow, scalar
from config.desired.inventory.wants import Entries, Members, laid, needed, value_of
from config.errors import ConfigError

_COLON = re.compile(r"(\s|#.*\n)*:")


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str = field(repr=False)


def edited(document: Document, want: dict[str, Any], file: str = FILE) -> str:
    """The text that says what is wanted. Raises ConfigError as `edits_for`."""
    return applied(document.text, edits_for(document, want, file))


def applied(text: str, edits: list[Edit]) -> str:
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def edits_for(document: Document, want: dict[str, Any], file: str = FILE) -> list[Edit]:
    """Raises ConfigError where an edit would change other parts too (aliases, merge keys)."""
    return list(_Editor(document, file).into_mapping(document.root, document.tree, want, ()))


def lines_of(document: Document, key: Any, value: Any) -> tuple[int, int]:
    """From where to where the whole lines of a key and its value stand."""
    last = _Editor(document, FILE).end(value)
    below = document.text.find("\n", last)
    above = document.text.rfind("\n", 0, key.start_mark.index)
    return above + 1, len(document.text) if below < 0 else below + 1


@dataclass(frozen=True, slots=True)
class _Editor:
    document: Document
    file: str

    def into_mapping(
        self, node: Any, tree: dict[Any, Any], want: dict[Any, Any], path: Path
    ) -> Iterator[Edit]:
        own = {key_of(key): (key, value) for key, value in node.value if key.tag != MERGE}
        new: dict[Any, Any] = {}
        for name, wanted in needed(want).items():
            there = tree.get(name)
            if laid(there, wanted) == there and (there is not None or name in tree):
                continue
            if str(name) not in own:
                new[name] = laid(there, wanted) if name in tree else value_of(wanted)
                continue
            key, value = own[str(name)]
            yield from self._into_value(node, key, value, there, wanted, (*path, name))
        if new:
            yield self._add_pairs(node, new)

    def _into_value(
        self, parent: Any, key: Any, value: Any, tree: Any, want: Any, path: Path
    ) -> Iterator[Edit]:
        self._refuse_shared(parent, key, value, path)
        if tree is None:
            yield self._fill(parent, key, value, value_of(want))
        elif is_mapping(want):
            if value.id != MAPPING:
                raise self._not("a mapping", value, path)
            yield from self.into_mapping(value, tree, want, path)
        elif isinstance(want, Entries):
            if value.id != SEQUENCE:
                raise self._not("a list", value, path)
            yield from self._into_entries(value, tree, want, path)
        elif isinstance(want, Members):
            if value.id != SEQUENCE:
                raise self._not("a list", value, path)
            yield self._add_items(value, want.missing(tree))
        else:
            if value.id != SCALAR:
                raise self._not("a single value", value, path)
            yield Edit(value.start_mark.index, self.end(value), _replacement(value, value_of(want)))

    def _into_entries(
        self, node: Any, tree: list[Any], want: Entries, path: Path
    ) -> Iterator[Edit]:
        new: list[Any] = []
        for item in want.items:
            place = want.place(item, tree)
            if place is None:
                new.append(value_of(item))
            elif is_mapping(tree[place]) and laid(tree[place], item) != tree[place]:
                at = (*path, str(item[want.by[0]]))
                self._refuse_shared(node, place, node.value[place], at)
                yield from self.into_mapping(node.value[place], tree[place], item, at)
        if new:
            yield self._add_items(node, new)

    def _refuse_shared(self, parent: Any, slot: Any, value: Any, path: Path) -> None:
        """A value with an anchor others refer to would change there too."""
        number = slot if isinstance(slot, int) else id(slot)
        if (id(parent), number) in self.document.aliases or id(value) in self.document.shared:
            raise ConfigError(
                [
                    f"{self.file}:{line_of(value)}: {dotted(path)}: shared with other parts by "
                    "an anchor; expected a value of its own, so that it can be changed here only"
                ]
            )

    def _not(self, wanted: str, node: Any, path: Path) -> ConfigError:
        return ConfigError(
            [f"{self.file}:{line_of(node)}: {dotted(path)}: not {wanted}; expected {wanted}"]
        )

    def _add_pairs(self, node: Any, new: dict[Any, Any]) -> Edit:
        if node.flow_style:
            text = ", ".join(f"{scalar(key)}: {flow(value)}" for key, value in new.items())
            return self._into_flow(node, "{", text)
        column = node.value[0][0].start_mark.column
        return self._lines(self.end(node), block_body(new, column))

    def _add_items(self, node: Any, new: list[Any]) -> Edit:
        if node.flow_style:
            return self._into_flow(node, "[", ", ".join(map(flow, new)))
        text = self.document.text
        dash = text.rfind("-", node.start_mark.index, self._start(node, 0) or None)
        column = dash - (text.rfind("\n", 0, dash) + 1)
        return self._lines(self.end(node), block_body(new, column))

    def _into_flow(self, node: Any, opening: str, text: str) -> Edit:
        if node.value:
            at = self._end_of_last(node)
            return Edit(at, at, f", {text}")
        start = self.document.text.index(opening, node.start_mark.index) + 1
        return Edit(start, node.end_mark.index - 1, f" {text} ")

    def _fill(self, parent: Any, key: Any, value: Any, wanted: Any) -> Edit:
        """A value where none or an explicit null stands."""
        if value.start_mark.index == value.end_mark.index:
            at = self._after_colon(key)
            if parent.flow_style or not wanted or not (is_mapping(wanted) or is_list(wanted)):
                colon = ":" if at == key.end_mark.index else ""
                return Edit(at, at, f"{colon} {flow(wanted)}")
            return self._lines(at, block_body(wanted, key.start_mark.column + 2))
        return Edit(value.start_mark.index, value.end_mark.index, flow(wanted))

    def _lines(self, after: int, lines: list[str]) -> Edit:
        """Whole lines below the one on which `after` stands."""
        text = self.document.text
        newline = "\r\n" if "\r\n" in text else "\n"
        end = text.find("\n", after)
        if end < 0:
            return Edit(len(text), len(text), "".join(newline + line for line in lines))
        return Edit(end + 1, end + 1, "".join(line + newline for line in lines))

    def _after_colon(self, key: Any) -> int:
        """Where a value that is not there belongs; in braces a key may even have no colon."""
        colon = _COLON.match(self.document.text, key.end_mark.index)
        return colon.end() if colon else key.end_mark.index

    def _start(self, node: Any, index: int) -> int:
        alias = self.document.aliases.get((id(node), index))
        return alias[0] if alias else node.value[index].start_mark.index

    def end(self, node: Any) -> int:
        """Where the content ends: comments and blank lines behind it are not part of it."""
        if node.id == SCALAR:
            if node.style in BLOCK_SCALARS:
                span = self.document.text[node.start_mark.index : node.end_mark.index]
                return node.start_mark.index + len(span.rstrip())
            return node.end_mark.index
        if node.flow_style or not node.value:
            return node.end_mark.index
        return self._end_of_last(node)

    def _end_of_last(self, node: Any) -> int:
        if node.id == SEQUENCE:
            slot, value = len(node.value) - 1, node.value[-1]
            alias = self.document.aliases.get((id(node), slot))
        else:
            key, value = node.value[-1]
            alias = self.document.aliases.get((id(node), id(key)))
            if not alias and value.start_mark.index == value.end_mark.index:
                return self._after_colon(key)
        return alias[1] if alias else self.end(value)


def _replacement(node: Any, wanted: Any) -> str:
    quote = node.style if node.style in ("'", '"') else None
    return scalar(wanted, quote=quote) if isinstance(wanted, str) else flow(wanted)
