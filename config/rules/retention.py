"""Which restore points are kept, and why: by age, or for the change they were made before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.environment import Backup
from config.rules.restore_point import BEFORE_UPGRADE, Point


@dataclass(frozen=True, slots=True)
class Proof:
    """The last time that all checks passed, and of which release."""

    at: datetime
    release: str


def kept(
    points: Sequence[Point], backup: Backup, now: datetime, proof: Proof | None
) -> dict[str, str]:
    """Id of each point to keep → why.

    The newest of all is always kept. Points made before a change have a rule of their own: the
    change is proved and `keep.before_days` have gone by. The others are kept by age: the newest,
    and the last one of each day, week and month.
    """
    newest = sorted(points, key=lambda point: point.created, reverse=True)
    by_age = [point for point in newest if not point.before]
    changes = {point.id: waits(point, backup, now, proof) for point in newest if point.before}
    found = {name: why for name, why in changes.items() if why}
    found |= {
        point.id: f"one of the last {backup.keep.last}" for point in by_age[: backup.keep.last]
    }
    rules: list[tuple[int, str, Callable[[datetime], object]]] = [
        (backup.keep.daily, "the last of its day", lambda at: at.date()),
        (backup.keep.weekly, "the last of its week", lambda at: at.isocalendar()[:2]),
        (backup.keep.monthly, "the last of its month", lambda at: (at.year, at.month)),
    ]
    for count, why, period in rules:
        last_of: dict[object, str] = {}
        for point in by_age:
            last_of.setdefault(period(point.created), point.id)
        for name in list(last_of.values())[:count]:
            found.setdefault(name, why)
    for point in newest[:1]:
        found.setdefault(point.id, "the newest")
    return found


def waits(point: Point, backup: Backup, now: datetime, proof: Proof | None) -> str:
    """What a point made before a change is still kept for, empty if for nothing more."""
    if not _proved(point, proof):
        return f"until the {point.before} is proved"
    until = point.created + timedelta(days=backup.keep.before_days)
    return f"{point.reason}, until {until:%Y-%m-%d}" if now < until else ""


def let_go(point: Point, backup: Backup) -> str:
    """Why a point that is not kept goes."""
    if point.before:
        return f"the {point.before} is proved, and {backup.keep.before_days} days have gone by"
    return "newer points serve backup.keep"


def _proved(point: Point, proof: Proof | None) -> bool:
    """An upgrade is proved by another release's proof, other changes by any that came later."""
    if proof is None or proof.at < point.created:
        return False
    return point.reason != BEFORE_UPGRADE or proof.release != point.release
