"""What a log line, a host or a reason says is shown, and does nothing."""

from flows.parts.markdown import plain

HOSTILE = "a | b\n\n# big <img src=x onerror=alert(1)> [me](http://x) `code` **b** \\"


def test_nothing_of_it_is_markup() -> None:
    said = plain(HOSTILE)
    assert "\n" not in said
    for mark in "|<>[]`*":
        assert said.count(mark) == said.count("\\" + mark)
    assert said.endswith("\\\\")
