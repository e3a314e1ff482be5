"""An upgrade along its time, as SVG: what it did one after the other, and when nobody had Dify."""

from collections.abc import Collection, Sequence
from html import escape

from config.pictures.trend import duration

LEFT, WIDTH, RIGHT, ROW, TOP, BOTTOM = 170, 600, 90, 18, 50, 26
WORK, DOWN, AXIS = "#4a7fb5", "#c93a3a", "#999999"
SEEN = 2.0  # a part shorter than a line is drawn as wide as this
_TEXT = 'font-family="sans-serif" font-size="11"'


def svg(
    parts: Sequence[tuple[str, float]], down: Collection[str], *, title: str, below: str
) -> str:
    """A row a part, in seconds from the beginning; red while nobody can use Dify.

    `below`: a line of words under the title.
    """
    whole = sum(seconds for _, seconds in parts) or 1.0
    height = TOP + ROW * len(parts) + BOTTOM
    drawn = [_text(8, 18, title, bold=True), _text(8, 36, below)]
    passed = 0.0
    for row, (name, seconds) in enumerate(parts):
        y = TOP + ROW * row
        colour = DOWN if name in down else WORK
        x = LEFT + WIDTH * passed / whole
        width = max(SEEN, WIDTH * seconds / whole)
        drawn += [
            _text(8, y + 12, name),
            f'<rect x="{min(x, LEFT + WIDTH - width):.1f}" y="{y}" width="{width:.1f}" '
            f'height="{ROW - 4}" fill="{colour}"><title>{escape(name)}</title></rect>',
            _text(LEFT + WIDTH + 8, y + 12, duration(seconds)),
        ]
        passed += seconds
    floor = height - BOTTOM + 2
    drawn += [
        f'<line x1="{LEFT}" y1="{floor}" x2="{LEFT + WIDTH}" y2="{floor}" stroke="{AXIS}"/>',
        _text(LEFT, height - 8, "0 s"),
        _text(LEFT + WIDTH + 8, height - 8, duration(whole)),
    ]
    wide = LEFT + WIDTH + RIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{height}">'
    background = f'<rect width="{wide}" height="{height}" fill="white"/>'
    return "".join([head, background, *drawn, "</svg>"])


def _text(x: float, y: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" {_TEXT}{weight}>{escape(text)}</text>'
