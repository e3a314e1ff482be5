"""A probe of health: one way of asking that answers several, all of them asked at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from config.rules.finding import Notes, Reading
from config.rules.health.series import Series
from tasks.core.site import Site
from tasks.probes.engine import Needs, Probe

# Times the patience.
WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Past:
    """What the last run left: when it was, its notes, and values over time."""

    at: float = 0.0
    notes: Notes = field(default_factory=dict[str, float | str])
    series: Mapping[str, Series] = field(default_factory=dict[str, Series])


Ask = Callable[[Site, Past], Sequence[Reading]]


def probe(site: Site, past: Past, answers: Needs, ask: Ask, advice: str) -> Probe:
    """`answers` maps each probe to those that would explain why it is bad; the first is whether it
    can be asked at all.
    """
    return Probe(
        next(iter(answers)),
        partial(ask, site, past),
        within_s=WITHIN_S,
        advice=advice,
        answers=answers,
    )
