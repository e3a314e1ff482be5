"""Where a cluster goes back to: a time, or a restore point in its archive."""

from dataclasses import dataclass
from datetime import UTC, datetime

from config.errors import StepError
from tasks.core.upgrade_mark import Named
from tasks.points.choice import STEP


@dataclass(frozen=True, slots=True)
class Goal:
    """`at`: nothing newer is left. `named`: the restore point of that time, which is exact.

    `finish`: the command that goes on where going back stopped.
    """

    at: datetime
    finish: str
    named: Named | None = None

    def asked(self) -> dict[str, str]:
        """As Pigsty's playbook takes it.

        By name it would begin with the newest backup, which may be newer than the point.
        """
        if self.named:
            return {"name": self.named.name, "set": self.named.backup}
        return {"time": f"{self.at:%Y-%m-%d %H:%M:%S.%f}+00"}


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
