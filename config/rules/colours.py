"""Which colour of a service is wanted: decided by what runs, so that any run goes on from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.desired.colours import Colour, other

_FEW = 10


@dataclass(frozen=True, slots=True)
class Side:
    """A container of one colour. `fits`: its image and settings are as they should be."""

    colour: Colour
    fits: bool
    running: bool
    created: str = ""


def current(sides: Sequence[Side], routed: Colour | None, written: Colour) -> Colour:
    """The colour that serves: where the routes lead to, else the newest that runs.

    `written`: the one that compose.yaml names, for a service without a container.
    """
    if routed and any(side.colour == routed for side in sides):
        return routed
    newest = max(sides, key=lambda side: (side.running, side.created), default=None)
    return newest.colour if newest else written


def wanted(sides: Sequence[Side], serving: Colour, *, beside: bool) -> Colour:
    """The colour that should run in the end: one that fits, else the other one than serves.

    `beside`: two may run at once; without it the one that serves is replaced where it is.
    """
    fitting = [side.colour for side in sides if side.fits]
    if not sides or serving in fitting:
        return serving
    if fitting:
        return fitting[0]
    return other(serving) if beside else serving


def room(used: Mapping[str, int], available: int) -> str:
    """Why there is no memory for these services twice; empty: there is. All in bytes.

    Without figures, which differ from one look to the next: a plan that was approved does not.
    """
    return "" if sum(used.values()) <= available else "too little memory is free for both"


def places(own: int, taken: int, room: int, limit: int) -> str:
    """Why PostgreSQL has no connections for these services twice; empty: it has.

    `own`: what Dify's role has open, at most `limit` of them; -1 is no limit. `taken`: what all
    roles have open, of `room`.
    """
    free = min(room - taken, room if limit < 0 else limit - own)
    return "" if own <= free else "PostgreSQL has too few free connections for both"


def worse(before: int, after: int) -> bool:
    """Whether so many failures after a switch, and so many in as long before it, are its doing."""
    return after > max(_FEW, 3 * before)
