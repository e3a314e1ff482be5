"""Where a cluster goes back to: a time, or a restore point in its archive."""

from dataclasses import dataclass
from datetime import UTC, datetime

from config.errors import StepError
from tasks.core.upgrade_mark import Named
from tasks.points.choice import STEP
from tasks.tools.pgbackrest import Physical
from tasks.tools.wal import History


@dataclass(frozen=True, slots=True)
class Goal:
    """`at`: nothing newer is left. `named`: the restore point of that time, which is exact.

    `finish`: the command that goes on where going back stopped.
    """

    at: datetime
    finish: str
    named: Named | None = None

    def __str__(self) -> str:
        return self.named.name if self.named else self.at.isoformat()

    def in_archive(self, history: History, now: datetime) -> bool:
        """Whether it was, and what it was is not undone."""
        if self.named:
            return history.has(self.named.timeline, self.named.place)
        return self.at < now

    def follows(self, backup: Physical) -> bool:
        """Whether recovery that begins with the backup comes by; of a time it knows seconds."""
        if self.named:
            return backup.place <= self.named.place
        return backup.stop < self.at.replace(microsecond=0)

    def asked(self, backup: str) -> dict[str, str]:
        """As Pigsty's playbook takes it, and where recovery begins.

        By itself that is the newest backup, of all or before a time: perhaps of what was undone.
        """
        target = {"time": f"{self.at:%Y-%m-%d %H:%M:%S.%f}+00"}
        return {**({"name": self.named.name} if self.named else target), "set": backup}


def moment(text: str) -> datetime:
    """The time, in UTC.

    Raises:
        StepError: it is none, or says no time zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise StepError(
            STEP,
            f"to_time: {text!r} is no time with its zone; expected one like "
            "2026-11-24T12:30:00+00:00",
        )
    return found.astimezone(UTC)


def at_moment(environment: str, target: datetime) -> Goal:
    return Goal(target, f"rollout restore {environment} --to-time {target.isoformat()}")
