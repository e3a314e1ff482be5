"""How each probe was over time, and how fast people were answered, as SVG."""

from collections.abc import Mapping, Sequence
from html import escape

from config.desired.health.record import Known
from config.desired.health.series import Series
from config.desired.health.verdict import Status

COLOURS = {
    Status.OK: "#3f9f5f",
    Status.UNKNOWN: "#9a86c4",
    Status.WARN: "#e0a030",
    Status.FAIL: "#c93a3a",
}
NOTHING = "#dddddd"
LEFT, WIDTH, ROW, TOP, BOTTOM = 170, 720, 16, 28, 22
LINES = ("#4a7fb5", "#d9822b", "#7a5195")
_TEXT = 'font-family="sans-serif" font-size="11"'


def timeline(probes: Mapping[str, Known], now: float, span_s: float, *, title: str) -> str:
    """A row a probe, oldest left; grey where nobody asked yet."""
    height = TOP + ROW * len(probes) + BOTTOM
    parts = [f'<text x="8" y="18" {_TEXT} font-weight="bold">{escape(title)}</text>']
    for row, (name, known) in enumerate(probes.items()):
        y = TOP + row * ROW
        parts.append(f'<text x="8" y="{y + 11}" {_TEXT}>{escape(name)}</text>')
        parts.append(_bar(LEFT, y, WIDTH, NOTHING, "not asked"))
        parts += _spells(known, y, now, span_s)
    parts += _axis(height, span_s)
    return _svg(LEFT + WIDTH + 10, height, parts)


def latency(series: Mapping[str, Series], now: float, span_s: float, *, title: str) -> str:
    """A line a service, in milliseconds."""
    height, floor, ceiling = 180, 150, 34
    recent = {name: each.since(now - span_s) for name, each in series.items()}
    most = max((value for each in recent.values() for value in each.values), default=0.0) or 1.0
    parts = [f'<text x="8" y="18" {_TEXT} font-weight="bold">{escape(title)}</text>']
    for (name, each), colour, place in zip(recent.items(), LINES, range(len(LINES)), strict=False):
        points = " ".join(
            f"{_x(at, now, span_s):.1f},{floor - (floor - ceiling) * value / most:.1f}"
            for at, value in zip(each.at, each.values, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        y = ceiling + 16 * place + 8
        parts.append(f'<text x="8" y="{y}" {_TEXT} fill="{colour}">{escape(name)}</text>')
    parts.append(f'<text x="100" y="{ceiling + 4}" {_TEXT}>{most * 1000:.0f} ms</text>')
    parts.append(f'<line x1="{LEFT}" y1="{floor}" x2="{LEFT + WIDTH}" y2="{floor}" stroke="#999"/>')
    parts += _axis(height, span_s)
    return _svg(LEFT + WIDTH + 10, height, parts)


def _spells(known: Known, y: int, now: float, span_s: float) -> list[str]:
    ends = [*(spell.since for spell in known.spells[1:]), now]
    bars: list[str] = []
    for spell, end in zip(known.spells, ends, strict=False):
        left, right = _x(spell.since, now, span_s), _x(end, now, span_s)
        if right > left:
            # A short failure would be thinner than a line, and unseen.
            wide = max(right - left, 0.0 if spell.status is Status.OK else 2.0)
            bars.append(_bar(left, y, wide, COLOURS[spell.status], str(spell.status)))
    return bars


def _x(at: float, now: float, span_s: float) -> float:
    share = min(1.0, max(0.0, (at - now + span_s) / span_s))
    return LEFT + WIDTH * share


def _bar(x: float, y: int, width: float, colour: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 4}" fill="{colour}">'
        f"<title>{title}</title></rect>"
    )


def _axis(height: int, span_s: float) -> Sequence[str]:
    hours = span_s / 3600
    start = f"{hours:.0f} h ago" if hours <= 48 else f"{hours / 24:.0f} days ago"  # noqa: PLR2004
    y = height - 7
    return (
        f'<text x="{LEFT}" y="{y}" {_TEXT}>{start}</text>',
        f'<text x="{LEFT + WIDTH}" y="{y}" text-anchor="end" {_TEXT}>now</text>',
    )


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    return "".join(
        [head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]
    )
