"""Sizes and durations of restore points as a picture."""

from collections.abc import Sequence
from html import escape

from config.desired.restore_point import Point

WIDTH, HEIGHT, MARGIN, TOP = 720, 220, 40, 30
SIZE, DURATION = "#4a7fb5", "#d9822b"


def svg(points: Sequence[Point]) -> str:
    """Bars: size of each point; line: how long it took. Oldest left."""
    count = max(1, len(points))
    step = (WIDTH - 2 * MARGIN) / count
    floor = HEIGHT - MARGIN
    largest = max((point.size for point in points), default=0) or 1
    longest = max((point.seconds for point in points), default=0) or 1
    bars: list[str] = []
    line: list[str] = []
    for index, point in enumerate(points):
        left = MARGIN + index * step
        height = (floor - TOP) * point.size / largest
        title = escape(f"{point.id}: {size(point.size)}, {point.seconds:g} s")
        bars.append(
            f'<rect x="{left + step * 0.15:.1f}" y="{floor - height:.1f}" '
            f'width="{step * 0.7:.1f}" height="{height:.1f}" fill="{SIZE}">'
            f"<title>{title}</title></rect>"
        )
        y = floor - (floor - TOP) * point.seconds / longest
        line.append(f"{left + step / 2:.1f},{y:.1f}")
    ends = [points[0].id[:8], points[-1].id[:8]] if points else ["", ""]
    text = 'font-family="sans-serif" font-size="12"'
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            *bars,
            f'<polyline points="{" ".join(line)}" fill="none" stroke="{DURATION}" '
            'stroke-width="2"/>',
            f'<text x="{MARGIN}" y="18" {text} fill="{SIZE}">size, at most {size(largest)}</text>',
            f'<text x="{WIDTH / 2}" y="18" {text} fill="{DURATION}">'
            f"duration, at most {longest:.1f} s</text>",
            f'<text x="{MARGIN}" y="{HEIGHT - 15}" {text}>{ends[0]}</text>',
            f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 15}" text-anchor="end" {text}>{ends[1]}'
            "</text></svg>",
        ]
    )


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
