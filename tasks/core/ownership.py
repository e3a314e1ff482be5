"""Which environment a machine belongs to, so that one never touches another one's by mistake."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.files import File
from clients.node import Node
from config.rules.finding import Reading, bad, good
from tasks.core.site import Site
from tasks.core.step import Change, Kind

MARK = Path("/var/lib/dify-rollout/environment.json")


@dataclass(frozen=True, slots=True)
class Owner:
    """The environment that marked a machine, and whether it is a protected one."""

    environment: str
    protected: bool

    def __str__(self) -> str:
        return self.environment + (" (protected)" if self.protected else "")


def owner(node: Node, mark: Path = MARK) -> Owner | None:
    """Whose machine it is, None if nobody's. A mark that cannot be read counts as nobody's."""
    try:
        found = json.loads(node.read(mark) or b"{}")
        return Owner(str(found["environment"]), bool(found["protected"]))
    except (ValueError, KeyError, TypeError):
        return None


def belongs(site: Site, mark: Path = MARK) -> list[Reading]:
    """A protected environment shares its machines with no other; the rest may share theirs."""
    if not site.platform.marks_machines:
        return []
    mine, found = _mine(site), owner(site.node, mark)
    if found in (None, mine) or not (mine.protected or (found and found.protected)):
        return [good("nodes.dify", f"{site.node.name} is ours or nobody's")]
    return [
        bad(
            "nodes.dify",
            f"{site.node.name} belongs to {found}, and this is {mine}",
            advice=f"mend nodes.dify, or remove {mark} there if {found} has moved away",
        )
    ]


@dataclass(frozen=True, slots=True)
class Owned:
    """The machine is marked as this environment's, where we may and nobody else did."""

    site: Site
    mark: Path = MARK
    name: str = "settings"
    settle_s: float = 0.0

    def observe(self) -> Owner | None:
        return owner(self.site.node, self.mark)

    def plan(self, actual: Owner | None) -> Sequence[Change]:
        mine = _mine(self.site)
        shared = actual is not None and actual.environment != mine.environment
        if actual == mine or shared or not self.site.node.is_root():
            return []
        what = f"mark {self.site.node.name} as {mine.environment}'s"
        return [
            Change(
                Kind.CHANGE,
                f"mark of {self.site.node.name}",
                what,
                str(actual or "nobody's"),
                str(mine),
                mine,
            )
        ]

    def apply(self, change: Change) -> None:
        mine: Owner = change.action
        text = json.dumps({"environment": mine.environment, "protected": mine.protected}) + "\n"
        self.site.node.write(File(self.mark, text.encode(), 0o644, keep_previous=False))


def owned(site: Site) -> list[Owned]:
    return [Owned(site)] if site.platform.marks_machines else []


def _mine(site: Site) -> Owner:
    return Owner(site.environment.name, site.environment.protected)
