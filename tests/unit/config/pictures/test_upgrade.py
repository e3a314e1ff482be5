"""The picture of an upgrade: a bar a part, one after the other, red while nobody has Dify."""

from xml.etree import ElementTree

from config.pictures.upgrade import DOWN, LEFT, SEEN, WIDTH, WORK, svg

SVG = "{http://www.w3.org/2000/svg}"
PARTS = [("restore point", 30.0), ("migrate", 60.0), ("<watch>", 10.0)]


def bars(drawn: str) -> list[tuple[float, float, str]]:
    root = ElementTree.fromstring(drawn)  # noqa: S314 - drawn by us
    found = [bar for bar in root.iter(f"{SVG}rect") if bar.get("fill") in (WORK, DOWN)]
    return [(float(b.get("x", "")), float(b.get("width", "")), b.get("fill", "")) for b in found]


def test_each_part_begins_where_the_one_before_ended() -> None:
    drawn = svg(PARTS, {"migrate"}, title="prod: 1.15.0 → 1.17.1 & back", below="x")
    assert bars(drawn) == [
        (LEFT, WIDTH * 0.3, WORK),
        (LEFT + WIDTH * 0.3, WIDTH * 0.6, DOWN),
        (LEFT + WIDTH * 0.9, WIDTH * 0.1, WORK),
    ]


def test_a_moment_is_still_seen_and_stays_inside() -> None:
    drawn = bars(svg([("migrate", 500.0), ("stop", 0.01)], {"stop"}, title="", below=""))
    x, width, colour = drawn[-1]
    assert (width, colour) == (SEEN, DOWN) and x + width <= LEFT + WIDTH


def test_nothing_done_is_still_a_picture() -> None:
    assert bars(svg([], set(), title="none", below="")) == []
