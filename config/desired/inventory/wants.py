"""What a file must say, as data laid over what it says.

A dict is laid key by key, a plain value replaces; the rest is said by the types here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.desired.inventory.data import is_mapping, items, mapping


@dataclass(frozen=True, slots=True)
class Keep:
    """Written where the key is absent; what is there stays."""

    value: Any


@dataclass(frozen=True, slots=True)
class New:
    """Written only with the mapping it is in; one that is there is the user's to complete."""

    value: Any


@dataclass(frozen=True, slots=True)
class Instead:
    """A value in place of another one, by which its record is found."""

    was: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Entries:
    """Records of a list, found by what identifies them; others stay, ours that lack are added."""

    items: tuple[dict[str, Any], ...]
    by: tuple[str, ...] = ("name",)

    def place(self, item: dict[str, Any], there: list[Any]) -> int | None:
        """Where in the list the record is; a plain text is a record's name."""
        identity = [_known_by(item[key]) for key in self.by]
        for index, other in enumerate(there):
            record = other if is_mapping(other) else {"name": other}
            if [record.get(key) for key in self.by] == identity:
                return index
        return None


@dataclass(frozen=True, slots=True)
class Members:
    """Plain values of a list; `has` says whether an item of it is as good as ours.

    `below`: what an absent list means, since one that is written replaces that.
    """

    items: tuple[str, ...]
    has: Callable[[Any, str], bool]
    below: tuple[Any, ...] = ()

    def missing(self, there: list[Any]) -> list[str]:
        return [item for item in self.items if not any(self.has(other, item) for other in there)]


def laid(tree: Any, want: Any) -> Any:
    """`tree` with what is wanted."""
    if isinstance(want, Keep | New):
        return value_of(want) if tree is None else tree
    if isinstance(want, Instead):
        return want.value
    if isinstance(want, Entries):
        return _with_entries(list(items(tree)), want)
    if isinstance(want, Members):
        there = list(want.below if tree is None else items(tree))
        return there + want.missing(there)
    if is_mapping(want):
        there = mapping(tree)
        applicable = needed(want) if is_mapping(tree) else want
        return there | {key: laid(there.get(key), value) for key, value in applicable.items()}
    return want


def _known_by(want: Any) -> Any:
    return want.was if isinstance(want, Instead) else value_of(want)


def value_of(want: Any) -> Any:
    """What is written where nothing is there."""
    return laid(None, want.value if isinstance(want, Keep | New) else want)


def needed(want: dict[Any, Any]) -> dict[Any, Any]:
    """What a mapping that is there already must hold."""
    return {key: value for key, value in want.items() if not isinstance(value, New)}


def _with_entries(there: list[Any], want: Entries) -> list[Any]:
    for item in want.items:
        place = want.place(item, there)
        if place is None:
            there.append(value_of(item))
        elif is_mapping(there[place]):
            there[place] = laid(there[place], item)
    return there
