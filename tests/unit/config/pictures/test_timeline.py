"""Pictures: well-formed, one row a probe, nothing outside."""

from xml.etree import ElementTree

from config.pictures.timeline import COLOURS, LEFT, WIDTH, latency, timeline
from config.rules.finding import Status
from config.rules.health.record import DAY_S, Known, Spell
from config.rules.health.series import Series

SVG = "{http://www.w3.org/2000/svg}"
NOW = 40 * DAY_S


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314 - drawn by us


def test_a_failure_is_seen_where_it_was():
    spells = (
        Spell(since=0, status=Status.OK),
        Spell(since=NOW - DAY_S / 2, status=Status.FAIL),
        Spell(since=NOW - DAY_S / 4, status=Status.OK),
    )
    drawn = timeline({"<api>": Known(spells=spells)}, NOW, DAY_S, title="a & b")
    root = parsed(drawn)
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.get("fill") == COLOURS[Status.FAIL]]
    assert [(float(bar.get("x")), float(bar.get("width"))) for bar in bars] == [
        (LEFT + WIDTH / 2, WIDTH / 4)
    ]


def test_a_moment_of_failure_in_a_month_is_still_seen():
    spells = (
        Spell(since=0, status=Status.OK),
        Spell(since=NOW - 600, status=Status.FAIL),
        Spell(since=NOW - 300, status=Status.OK),
    )
    root = parsed(timeline({"api": Known(spells=spells)}, NOW, 30 * DAY_S, title=""))
    (bar,) = [bar for bar in root.iter(f"{SVG}rect") if bar.get("fill") == COLOURS[Status.FAIL]]
    assert float(bar.get("width")) >= 2


def test_what_is_older_than_the_picture_is_not_drawn():
    spells = (Spell(since=0, status=Status.FAIL), Spell(since=DAY_S, status=Status.OK))
    root = parsed(timeline({"api": Known(spells=spells)}, NOW, DAY_S, title=""))
    assert COLOURS[Status.FAIL] not in {bar.get("fill") for bar in root.iter(f"{SVG}rect")}


def test_latency_is_a_line_a_service():
    series = Series(at=(NOW - 600, NOW), values=(0.1, 0.2))
    root = parsed(latency({"api": series, "web": series}, NOW, DAY_S, title="x"))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert any(text.text == "longest 200 ms" for text in root.iter(f"{SVG}text"))


def test_one_long_answer_does_not_flatten_the_others():
    series = Series(at=tuple(NOW - 300 * n for n in range(100, 0, -1)), values=(9.0,) + (0.1,) * 99)
    root = parsed(latency({"api": series}, NOW, DAY_S, title="x"))
    [line] = root.iter(f"{SVG}polyline")
    heights = {float(point.split(",")[1]) for point in line.get("points").split()}
    assert len(heights) == 2 and max(heights) - min(heights) < 60


def test_the_share_of_good_time_is_told():
    spells = (Spell(since=0, status=Status.OK), Spell(since=NOW - DAY_S / 4, status=Status.FAIL))
    root = parsed(timeline({"api": Known(spells=spells)}, NOW, DAY_S, title=""))
    assert any(text.text == "75 %" for text in root.iter(f"{SVG}text"))


def test_nothing_known_is_still_a_picture():
    parsed(timeline({}, NOW, DAY_S, title="none"))
    parsed(latency({}, NOW, DAY_S, title="none"))
