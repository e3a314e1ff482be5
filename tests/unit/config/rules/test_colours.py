"""Which colour is wanted, from what runs alone."""

import pytest

from config.desired.colours import Colour, named, split
from config.load import load_release, release_names
from config.rules.colours import Side, current, places, room, wanted, worse

BLUE, GREEN = Colour


def side(colour: Colour, *, fits: bool = False, running: bool = True, at: str = "1") -> Side:
    return Side(colour, fits, running, at)


@pytest.mark.parametrize(
    ("sides", "serving", "beside", "colour"),
    [
        ([], BLUE, True, BLUE),
        ([], GREEN, True, GREEN),
        ([side(BLUE, fits=True)], BLUE, True, BLUE),
        ([side(GREEN, fits=True)], GREEN, True, GREEN),
        ([side(BLUE)], BLUE, True, GREEN),
        ([side(GREEN)], GREEN, True, BLUE),
        ([side(BLUE)], BLUE, False, BLUE),
        # Killed when the new one ran already.
        ([side(BLUE), side(GREEN, fits=True)], BLUE, True, GREEN),
        # Killed after the switch.
        ([side(BLUE), side(GREEN, fits=True)], GREEN, True, GREEN),
        # The setting was put back before the old one was gone.
        ([side(BLUE, fits=True), side(GREEN)], GREEN, True, BLUE),
        # Another setting came before the new one was gone.
        ([side(BLUE), side(GREEN)], BLUE, True, GREEN),
        ([side(BLUE), side(GREEN)], GREEN, True, BLUE),
    ],
)
def test_the_wanted_colour(
    sides: list[Side], serving: Colour, beside: bool, colour: Colour
) -> None:
    assert wanted(sides, serving, beside=beside) == colour


def test_what_the_routes_lead_to_serves() -> None:
    both = [side(BLUE, at="1"), side(GREEN, at="2")]
    assert current(both, BLUE, GREEN) == BLUE
    assert current(both, GREEN, BLUE) == GREEN
    assert current([side(GREEN)], BLUE, BLUE) == GREEN


def test_without_routes_the_newest_that_runs_serves() -> None:
    assert current([side(BLUE, at="1"), side(GREEN, at="2")], None, BLUE) == GREEN
    assert current([side(BLUE, at="1"), side(GREEN, at="2", running=False)], None, GREEN) == BLUE
    assert current([], None, GREEN) == GREEN


def test_memory_for_both_is_what_the_old_ones_use() -> None:
    assert room({"api": 300 << 20, "web": 100 << 20}, 400 << 20) == ""
    said = room({"api": 301 << 20, "web": 100 << 20}, 400 << 20)
    assert said == "too little memory is free for both"


@pytest.mark.parametrize(
    ("own", "taken", "room", "limit", "fits"),
    [
        (10, 40, 50, -1, True),
        (10, 41, 50, -1, False),
        (10, 20, 100, 20, True),
        (10, 20, 100, 19, False),
        (0, 100, 100, -1, True),
    ],
)
def test_connections_for_both_are_as_many_again(
    own: int, taken: int, room: int, limit: int, fits: bool
) -> None:
    assert (places(own, taken, room, limit) == "") is fits


def test_a_name_says_service_and_colour() -> None:
    assert [split(named("api", colour)) for colour in Colour] == [("api", BLUE), ("api", GREEN)]


@pytest.mark.parametrize("version", release_names())
def test_what_overlaps_in_a_release(version: str) -> None:
    services = load_release(version).services
    found = {name: service.overlap for name, service in services.items() if service.overlap}
    assert found.pop("api_websocket", "requests") == "requests"
    assert found == {"api": "requests", "worker": "jobs", "web": "requests"}
    # A fixed address, a scheduler and a file that is mounted are of one alone.
    assert not any(services[n].only_state or services[n].single for n in found)
    assert all(split(name) == (name, BLUE) for name in services)


@pytest.mark.parametrize(
    ("before", "after", "bad"), [(0, 10, False), (0, 11, True), (20, 60, False), (20, 61, True)]
)
def test_a_few_failures_are_nobodys_doing(before: int, after: int, bad: bool) -> None:
    assert worse(before, after) is bad
