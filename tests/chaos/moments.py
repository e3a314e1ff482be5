"""Random moments at which a command is interrupted; the same for the same seed. Pure."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

# What is wrong before a deploy, so that it has something to do.
DAMAGES = (
    "web container removed",
    "all containers removed",
    "compose file changed",
    "settings changed",
    "PostgreSQL stopped",
    "Redis stopped",
    "portal stopped",
)
OPERATIONS = ("deploy", "deploy", "backup", "restore", "drill", "images")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class Moment:
    """`share`: of the time that the operation takes when nobody interrupts it."""

    number: int
    operation: str
    damage: str
    signal: signal.Signals
    share: float

    def __str__(self) -> str:
        damage = f", {self.damage}" if self.damage else ""
        at = f"{self.signal.name} at {self.share:.0%}"
        return f"{self.number}: {self.operation}{damage}, {at}"


def moments(seed: int, count: int) -> Iterable[Moment]:
    random = Random(seed)  # noqa: S311
    for number in range(count):
        operation = random.choice(OPERATIONS)
        damage = random.choice(DAMAGES) if operation == "deploy" else ""
        yield Moment(number, operation, damage, random.choice(SIGNALS), random.random())
