"""Sizes and durations of restore points as a picture."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from config.rules.restore_point import Point

WIDTH, LEFT, RIGHT = 720, 70, 12
HEAD, PANEL, GAP, FOOT = 26, 96, 34, 24
WIDEST, DATE = 36.0, 115
SIZE, NEW, DURATION, PALE = "#9dbad6", "#4a7fb5", "#d9822b", "#dddddd"
_TEXT = 'font-family="sans-serif" font-size="12"'

Series = tuple[str, Callable[[Point], float]]


def svg(points: Sequence[Point]) -> str:
    """Two rows of bars, oldest left: size with what was new of it, and how long it took."""
    height = HEAD + PANEL + GAP + PANEL + FOOT
    sizes: list[Series] = [(SIZE, lambda point: point.size), (NEW, lambda point: point.added)]
    durations: list[Series] = [(DURATION, lambda point: point.seconds)]
    lower = HEAD + PANEL + GAP
    parts = [
        _text(LEFT, HEAD - 10, "size", SIZE, weight="bold"),
        _text(LEFT + 40, HEAD - 10, "of it new", NEW, weight="bold"),
        *_panel(points, HEAD, sizes, size),
        _text(LEFT, lower - 10, "duration", DURATION, weight="bold"),
        *_panel(points, lower, durations, duration),
        *_dates(points, height - 8),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">'
    background = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "".join([head, background, *parts, "</svg>"])


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _panel(
    points: Sequence[Point], top: int, series: Iterable[Series], read: Callable[[float], str]
) -> list[str]:
    """The bars of each series, one over the other, on one scale with its half and its end."""
    drawn = list(series)
    most = max((value(point) for _, value in drawn for point in points), default=0)
    floor = top + PANEL
    parts = [_rule(floor, "#999999")]
    if not most:
        return [*parts, _text(LEFT + 8, floor - 8, "nothing yet", "#666666")]
    for share in (1.0, 0.5):
        y = floor - PANEL * share
        parts += [_rule(y, PALE), _text(LEFT - 6, y + 4, read(most * share), anchor="end")]
    for colour, value in drawn:
        parts += [
            _bar(index, len(points), floor, PANEL * value(point) / most, colour, _title(point))
            for index, point in enumerate(points)
        ]
    return parts


def _bar(index: int, count: int, floor: int, height: float, colour: str, title: str) -> str:
    step = _step(count)
    width = min(WIDEST, step * 0.8)
    x = _middle(index, count) - width / 2
    return (
        f'<rect x="{x:.1f}" y="{floor - height:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}"><title>{title}</title></rect>'
    )


def _dates(points: Sequence[Point], y: int) -> list[str]:
    """When the first and the last were taken, each below its bar where there is room."""
    if not points:
        return []
    dates = [f"{point.created:%Y-%m-%d %H:%M}" for point in (points[0], points[-1])]
    half = min(WIDEST, _step(len(points)) * 0.8) / 2
    left, right = _middle(0, len(points)) - half, _middle(len(points) - 1, len(points)) + half
    if right - left < 2 * DATE:
        return [_text(left, y, " to ".join(dict.fromkeys(dates)))]
    return [_text(left, y, dates[0]), _text(right, y, dates[1], anchor="end")]


def _step(count: int) -> float:
    """Bars of few points stand together at the left, those of many fill the width."""
    return min(WIDEST * 1.5, (WIDTH - LEFT - RIGHT) / max(1, count))


def _middle(index: int, count: int) -> float:
    return LEFT + _step(count) * (index + 0.5)


def _rule(y: float, colour: str) -> str:
    end = WIDTH - RIGHT
    return f'<line x1="{LEFT}" y1="{y:.1f}" x2="{end}" y2="{y:.1f}" stroke="{colour}"/>'


def _text(
    x: float, y: float, text: str, fill: str = "#333333", *, anchor: str = "start", weight: str = ""
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_TEXT}{bold} fill="{fill}">'
        f"{escape(text)}</text>"
    )


def _title(point: Point) -> str:
    return escape(
        f"{point.id}: {size(point.size)}, {size(point.added)} new, {duration(point.seconds)}"
    )
