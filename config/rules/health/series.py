"""Values over time: every run of the last day, the mean of each hour before that, and the trend."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

DAY_S, HOUR_S = 86_400.0, 3600.0
ENOUGH = 6  # values, and as many hours, before a trend is believed
POINTS = 2000


class Series(BaseModel):
    """`at`: seconds since the epoch, rising."""

    model_config = ConfigDict(frozen=True)

    at: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def with_value(self, at: float, value: float) -> "Series":
        """One more, the oldest condensed; a clock that went back starts anew."""
        times, values = [*self.at, round(at, 1)], [*self.values, float(f"{value:.5g}")]
        if self.at and at <= self.at[-1]:
            return Series(at=(times[-1],), values=(values[-1],))
        return _condensed(times, values, (at - DAY_S) // HOUR_S * HOUR_S)

    def since(self, at: float) -> "Series":
        kept = [(t, v) for t, v in zip(self.at, self.values, strict=True) if t >= at]
        return Series(at=tuple(t for t, _ in kept), values=tuple(v for _, v in kept))


def days_until(series: Series, limit: float) -> float | None:
    """Days until the value reaches the limit if it goes on as it did; None if it does not rise."""
    if len(series.at) < ENOUGH or series.at[-1] - series.at[0] < ENOUGH * HOUR_S:
        return None
    slope = _slope(series.at, series.values)
    if slope <= 0:
        return None
    return max(0.0, (limit - series.values[-1]) / slope / DAY_S)


def _condensed(times: list[float], values: list[float], before: float) -> Series:
    """One mean an hour of what is older than that, the beginning of an hour."""
    old = sum(at < before for at in times)
    hours: dict[int, list[float]] = {}
    for at, value in zip(times[:old], values[:old], strict=True):
        hours.setdefault(int(at // HOUR_S), []).append(value)
    means = [(hour * HOUR_S, sum(these) / len(these)) for hour, these in hours.items()]
    at = [*(at for at, _ in means), *times[old:]][-POINTS:]
    kept = [*(value for _, value in means), *values[old:]][-POINTS:]
    return Series(at=tuple(at), values=tuple(kept))


def _slope(at: Sequence[float], values: Sequence[float]) -> float:
    """Of the straight line nearest to the values, a second."""
    count = len(at)
    mean_at, mean = sum(at) / count, sum(values) / count
    spread = sum((t - mean_at) ** 2 for t in at)
    return sum((t - mean_at) * (v - mean) for t, v in zip(at, values, strict=True)) / spread
