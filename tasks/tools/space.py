"""Room and clock of a machine, asked with one script of common tools."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clients.command import Command

SCRIPT = """
date +%s.%N
for at do
    while [ ! -e "$at" ] && [ "$at" != / ]; do at=$(dirname "$at"); done
    echo "$(stat -c %d "$at") $(stat -f -c '%S %b %f %a %c %d' "$at") $at"
done
"""


@dataclass(frozen=True, slots=True)
class Room:
    """A filesystem that something lies on, `at` the first such path. Shares from 0 to 1."""

    at: str
    device: str
    used: float
    inodes: float
    free: int


def ask(places: Iterable[Path]) -> Command:
    words = ("sh", "-c", SCRIPT, "sh", *(str(place) for place in places))
    return Command(words, changes=False, timeout_s=30)


def parse(text: str) -> tuple[float, list[Room]]:
    """The clock, seconds since the epoch, and each filesystem once."""
    clock, *lines = text.splitlines()
    rooms: dict[str, Room] = {}
    for line in lines:
        device, size, blocks, free, ours, inodes, left, at = line.split(" ", 7)
        used = int(blocks) - int(free)
        # As df counts: what is kept for root is neither used nor ours.
        share = used / max(1, used + int(ours))
        taken = (int(inodes) - int(left)) / int(inodes) if int(inodes) else 0.0
        rooms.setdefault(device, Room(at, device, share, taken, int(ours) * int(size)))
    return float(clock), list(rooms.values())
