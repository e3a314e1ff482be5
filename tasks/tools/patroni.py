"""Patroni's members of a cluster, by its own command."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PATRONICTL = ("patronictl", "-c", "/etc/patroni/patroni.yml")
_LEADERS = ("Leader", "Standby Leader")
_COPYING = "creating replica"


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as Patroni lists it; `timeline` is None while its PostgreSQL does not run."""

    name: str
    host: str
    role: str
    state: str
    timeline: int | None

    @property
    def leads(self) -> bool:
        return self.role in _LEADERS

    def follows(self, leader: "Listed") -> bool:
        """Whether it is of the leader's history, or is being copied from it just now."""
        return self.state == _COPYING or self.timeline == leader.timeline


def members(cluster: str) -> tuple[str, ...]:
    return (*_PATRONICTL, "list", cluster, "--format", "json")


def parse_members(output: str) -> list[Listed]:
    """Raises ValueError if it is no list of members."""
    found: Sequence[dict[str, Any]] = json.loads(output)
    return [
        Listed(
            str(each["Member"]),
            str(each["Host"]),
            str(each["Role"]),
            str(each["State"]),
            int(each["TL"]) if str(each.get("TL", "")).isdigit() else None,
        )
        for each in found
    ]


def reinit(cluster: str, member: str) -> tuple[str, ...]:
    """Throw its data away and copy the leader's."""
    return (*_PATRONICTL, "reinit", cluster, member, "--force")
