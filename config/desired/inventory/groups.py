"""Groups of the inventory, wherever below `all.children` they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.desired.inventory.data import mapping

Tree = dict[str, Any]
At = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its place and what its machines inherit from the groups above it."""

    name: str
    at: At
    body: Tree
    above: Tree

    @property
    def vars(self) -> Tree:
        return mapping(self.body.get("vars"))

    @property
    def hosts(self) -> dict[str, Any]:
        return mapping(self.body.get("hosts"))

    def value(self, key: str, default: Any = None) -> Any:
        """As Ansible resolves it for the group's machines."""
        return self.vars.get(key, self.above.get(key, default))


def groups(tree: Tree) -> Iterator[Group]:
    """Every group below `all`, outer ones first."""
    top: Tree = tree["all"]
    yield from _below(top, ("all",), mapping(top.get("vars")))


def find(tree: Tree, name: str) -> Group | None:
    return next((group for group in groups(tree) if group.name == name), None)


def alias(tree: Tree, address: str) -> str:
    """The machine's name in the inventory: its address, or another one with that ansible_host."""
    found = [host for group in groups(tree) for host in group.hosts]
    if address in found:
        return address
    known = ((host, mapping(its)) for group in groups(tree) for host, its in group.hosts.items())
    return next((str(host) for host, its in known if its.get("ansible_host") == address), address)


def _below(body: Tree, at: At, above: Tree) -> Iterator[Group]:
    for name, child in mapping(body.get("children")).items():
        inner = mapping(child)
        place = (*at, "children", str(name))
        yield Group(str(name), place, inner, above)
        yield from _below(inner, place, above | mapping(inner.get("vars")))
