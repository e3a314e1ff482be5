"""A step whose parts run on every node that has Dify."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.core.site import Site
from tasks.core.step import Change, Planned, Step


@dataclass(frozen=True, slots=True)
class OnNode:
    """A part of a step on one of several nodes; its changes say on which."""

    part: Step[Any]
    node: str

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def settle_s(self) -> float:
        return self.part.settle_s

    def observe(self) -> Any:
        return self.part.observe()

    def plan(self, actual: Any) -> Sequence[Planned]:
        return [replace(each, what=f"{self.node}: {each}") for each in self.part.plan(actual)]

    def apply(self, change: Change) -> None:
        self.part.apply(change)


def on_node(sites: Sequence[Site], site: Site, what: str) -> str:
    """What is done on the site's node, as a plan of all these says it."""
    return what if len(sites) == 1 else f"{site.node.name}: {what}"


def on_each(site: Site, build: Callable[[Site], Sequence[Step[Any]]]) -> list[Step[Any]]:
    """What `build` makes for each node, the first node's parts first."""
    sites = site.on_each()
    if len(sites) == 1:
        return list(build(sites[0]))
    return [OnNode(part, each.node.name) for each in sites for part in build(each)]
