"""Patroni's members of a cluster, by its own command and by what each says over HTTP."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PATRONICTL = ("patronictl", "-c", "/etc/patroni/patroni.yml")
_LEADERS = ("Leader", "Standby Leader")
_PRIMARIES = ("master", "primary", "standby_leader")  # by the versions
PORT = 8008
DCS_SILENT_S = 20.0  # two of the loops in which a healthy Patroni asks it
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


@dataclass(frozen=True, slots=True)
class Told:
    """What a member's Patroni says of itself; `silent_s`: seconds since etcd answered it."""

    address: str
    leads: bool
    runs: bool
    paused: bool = False
    silent_s: float = 0.0


def parse_told(address: str, body: str, now: float) -> Told:
    """Of its answer to `GET /patroni`; `now` in seconds since 1970.

    Raises:
        ValueError: it is no answer of Patroni's.
    """
    found: dict[str, Any] = json.loads(body)
    if "state" not in found:
        raise ValueError(f"no answer of Patroni: {body[:80]}")
    runs = found["state"] == "running"
    seen = float(found.get("dcs_last_seen") or now)
    return Told(
        address,
        leads=runs and found.get("role") in _PRIMARIES,
        runs=runs,
        paused=bool(found.get("pause")),
        silent_s=max(0.0, now - seen),
    )


@dataclass(frozen=True, slots=True)
class Leaderless:
    """Why no member of the cluster takes writes, and whether that may end by itself."""

    why: str
    transient: bool


def leaderless(told: Sequence[Told]) -> Leaderless | None:
    """None: a member leads, or none says anything, so that nothing is known."""
    if not told or any(each.leads for each in told):
        return None
    if paused := [each.address for each in told if each.paused]:
        return Leaderless(
            f"Patroni is paused on {', '.join(paused)}, so that none is elected", False
        )
    cut_off = [each for each in told if each.silent_s > DCS_SILENT_S]
    if cut_off:
        longest = max(each.silent_s for each in cut_off)
        where = ", ".join(each.address for each in cut_off)
        return Leaderless(
            f"etcd has not answered Patroni on {where} for {longest:.0f} s, which keeps the server "
            "read-only",
            True,
        )
    if not any(each.runs for each in told):
        return Leaderless("PostgreSQL runs on none of its machines", True)
    return Leaderless("an election is under way", True)
