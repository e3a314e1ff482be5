"""How each probe was over time, and how fast people were answered, as SVG."""

from collections.abc import Mapping, Sequence
from html import escape

from config.rules.finding import Status
from config.rules.health.record import Known, Spell
from config.rules.health.series import Series

COLOURS = {
    Status.OK: "#3f9f5f",
    Status.UNKNOWN: "#9a86c4",
    Status.WARN: "#e0a030",
    Status.FAIL: "#c93a3a",
}
NOTHING = "#dddddd"
LEFT, WIDTH, RIGHT, ROW, TOP, BOTTOM = 170, 720, 60, 16, 28, 22
SEEN = 3.0  # a failure shorter than a line is drawn as wide as this
LINES = ("#4a7fb5", "#d9822b", "#7a5195")
_TEXT = 'font-family="sans-serif" font-size="11"'


def timeline(probes: Mapping[str, Known], now: float, span_s: float, *, title: str) -> str:
    """A row a probe, oldest left, its share of good time right; grey where nobody asked yet."""
    height = TOP + ROW * len(probes) + BOTTOM
    parts = [f'<text x="8" y="18" {_TEXT} font-weight="bold">{escape(title)}</text>', *_legend()]
    for row, (name, known) in enumerate(probes.items()):
        y = TOP + row * ROW
        parts.append(f'<text x="8" y="{y + 11}" {_TEXT}>{escape(name)}</text>')
        parts.append(_bar(LEFT, y, WIDTH, NOTHING, "not asked"))
        parts += _spells(known, y, now, span_s)
        parts.append(
            f'<text x="{LEFT + WIDTH + 8}" y="{y + 11}" {_TEXT}>{_share(known, now, span_s)}</text>'
        )
    parts += _axis(height, span_s)
    return _svg(LEFT + WIDTH + RIGHT, height, parts)


def latency(series: Mapping[str, Series], now: float, span_s: float, *, title: str) -> str:
    """A line a service, in milliseconds. Rare long answers leave the picture, not its scale."""
    height, floor, ceiling = 180, 150, 34
    recent = {name: each.since(now - span_s) for name, each in series.items()}
    highest = max((_quantile(each, 0.95) for each in recent.values()), default=0.0) * 1.5 or 1.0
    parts = [f'<text x="8" y="18" {_TEXT} font-weight="bold">{escape(title)}</text>']
    for share in (0.5, 1.0):
        y = floor - (floor - ceiling) * share
        parts.append(_line(y, "#ddd"))
        parts.append(
            f'<text x="{LEFT + WIDTH + 8}" y="{y + 4:.0f}" {_TEXT}>{_ms(highest * share)}</text>'
        )
    parts.append(_line(floor, "#999"))
    for (name, each), colour, place in zip(recent.items(), LINES, range(len(LINES)), strict=False):
        points = " ".join(
            f"{_x(at, now, span_s):.1f},{floor - (floor - ceiling) * min(1.0, value / highest):.1f}"
            for at, value in zip(each.at, each.values, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        told = (
            (name, 'font-weight="bold"'),
            (f"half within {_ms(_quantile(each, 0.5))}", ""),
            (f"95 % within {_ms(_quantile(each, 0.95))}", ""),
            (f"longest {_ms(max(each.values, default=0.0))}", ""),
        )
        for row, (text, weight) in enumerate(told):
            y = ceiling + 58 * place + 13 * row + 4
            parts.append(
                f'<text x="8" y="{y}" {_TEXT} {weight} fill="{colour}">{escape(text)}</text>'
            )
    parts += _axis(height, span_s)
    return _svg(LEFT + WIDTH + RIGHT, height, parts)


def _quantile(series: Series, share: float) -> float:
    values = sorted(series.values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _line(y: float, colour: str) -> str:
    return f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + WIDTH}" y2="{y}" stroke="{colour}"/>'


def _legend() -> list[str]:
    parts: list[str] = []
    for place, (status, colour) in enumerate(COLOURS.items()):
        x = LEFT + WIDTH - 80 * (len(COLOURS) - place)
        parts.append(f'<circle cx="{x + 5}" cy="14" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="18" {_TEXT}>{status}</text>')
    return parts


def _share(known: Known, now: float, span_s: float) -> str:
    """How much of the time it was asked it was ok."""
    lasted = [(spell.status, right - left) for spell, left, right in _times(known, now, span_s)]
    whole = sum(seconds for _, seconds in lasted)
    good = sum(seconds for status, seconds in lasted if status is Status.OK)
    return f"{100 * good / whole:.4g} %" if whole else ""


def _times(known: Known, now: float, span_s: float) -> list[tuple[Spell, float, float]]:
    """Each spell with its begin and end, as far as they are in the picture."""
    ends = [*(spell.since for spell in known.spells[1:]), now]
    cut = [
        (spell, max(spell.since, now - span_s), end)
        for spell, end in zip(known.spells, ends, strict=False)
    ]
    return [(spell, left, right) for spell, left, right in cut if right > left]


def _spells(known: Known, y: int, now: float, span_s: float) -> list[str]:
    """The good ones below, that no short failure is painted over."""
    times = sorted(_times(known, now, span_s), key=lambda each: each[0].status.rank)
    bars: list[str] = []
    for spell, begin, end in times:
        left, right = _x(begin, now, span_s), _x(end, now, span_s)
        wide = max(right - left, 0.0 if spell.status is Status.OK else SEEN)
        left = min(left, LEFT + WIDTH - wide)
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
    """What was when, at quarters or sixths of the time."""
    days = span_s / 86_400
    size, unit, count = (1.0, "h", 4) if days <= 2 else (24.0, "days", 6)  # noqa: PLR2004
    y = height - 7
    parts: list[str] = []
    for step in range(count + 1):
        x = LEFT + WIDTH * step / count
        ago = span_s / 3600 / size * (1 - step / count)
        text = f"{ago:.0f} {unit} ago" if step < count else "now"
        anchor = "start" if step == 0 else "end" if step == count else "middle"
        parts.append(f'<text x="{x:.0f}" y="{y}" text-anchor="{anchor}" {_TEXT}>{text}</text>')
        if 0 < step < count:
            parts.append(
                f'<line x1="{x:.0f}" y1="{TOP}" x2="{x:.0f}" y2="{y - 12}" '
                'stroke="white" stroke-dasharray="2,3"/>'
            )
    return parts


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    return "".join(
        [head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]
    )
