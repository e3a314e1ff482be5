"""Places in PostgreSQL's WAL, and which of its timelines are the history of a cluster.

A cluster that goes back to a moment leaves its timeline there and begins another: what came later
on the one it left is undone. https://www.postgresql.org/docs/current/continuous-archiving.html
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class History:
    """`timeline` is the one written now. `left`: each one before it → where it was left."""

    timeline: int
    left: Mapping[int, int]

    def __str__(self) -> str:
        """As `parse_history` takes it."""
        ends = (f"{each}@{at >> 32:X}/{at & 0xFFFFFFFF:X}" for each, at in self.left.items())
        return " ".join((f"{self.timeline:08X}", *ends))

    def has(self, timeline: int, place: int) -> bool:
        """Whether the cluster still is what that timeline made of it up to that place."""
        return timeline == self.timeline or place <= self.left.get(timeline, -1)


def place(lsn: str) -> int:
    """Bytes from the beginning of all WAL, of an LSN like `16/B374D848`."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def timeline_of(segment: str) -> int:
    """The timeline of a file of WAL, or of a name that begins like one."""
    return int(segment[:8], 16)


def parse_history(text: str) -> History:
    """From `00000003 1@0/5000090 2@0/7000028`: the timeline of now, and where others were left."""
    now, *before = text.split()
    ends = (each.split("@") for each in before)
    return History(timeline_of(now), {int(timeline): place(lsn) for timeline, lsn in ends})
