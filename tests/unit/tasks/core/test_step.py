from dataclasses import dataclass, field

import pytest

from config.errors import StepError
from tasks.core.step import Blocked, Change, Kind, NotConverged, Outcome, Planned, converge
from tasks.core.transient import transient


@dataclass
class Shelf:
    """A step over a world of three books, in memory."""

    there: set[str]
    sticky: bool = True
    late_s: float = 0.0
    name: str = "shelf"
    settle_s: float = 0.0
    applied: list[str] = field(default_factory=list)

    def observe(self) -> set[str]:
        return set(self.there)

    def plan(self, actual: set[str]) -> list[Change]:
        return [Change(Kind.MAKE, b, f"add {b}", "absent", b, b) for b in "abc" if b not in actual]

    def apply(self, change: Change) -> None:
        if change.action == "x":
            raise StepError(self.name, "cannot")
        self.applied.append(change.action)
        if self.sticky:
            self.there.add(change.action)


def test_only_the_difference_is_applied_and_the_second_run_finds_nothing() -> None:
    shelf = Shelf({"b"})
    first, second = converge(shelf), converge(shelf)
    assert [change.what for change in first.changes] == ["add a", "add c"]
    assert (first.applied, second.applied, second.changes) == (True, False, ())
    assert shelf.applied == ["a", "c"]


def test_a_dry_run_says_the_same_and_applies_nothing() -> None:
    shelf = Shelf(set())
    outcome = converge(shelf, dry_run=True)
    assert len(outcome.changes) == 3
    assert not outcome.applied
    assert not shelf.applied


def test_what_is_left_after_applying_is_an_error_that_says_what() -> None:
    with pytest.raises(NotConverged, match="still to do: add a; add b; add c"):
        converge(Shelf(set(), sticky=False))


def test_the_world_may_take_its_time_up_to_the_deadline() -> None:
    class Slow(Shelf):
        looks = 0

        def observe(self) -> set[str]:
            self.looks += 1
            return set() if self.looks < 4 else {"a", "b", "c"}

    slow = Slow(set(), settle_s=5)
    assert converge(slow).applied
    assert slow.looks == 4


class Nailed(Shelf):
    """A shelf to which a person has to get a key first."""

    def plan(self, actual: set[str]) -> list[Planned]:
        return [*super().plan(actual), Blocked("add d", "d is locked away", "get the key")]


def test_what_is_in_the_way_is_said_before_anything_is_changed() -> None:
    shelf = Nailed(set())
    with pytest.raises(StepError) as refused:
        converge(shelf)
    assert str(refused.value) == "shelf: d is locked away\n  do: get the key"
    assert not shelf.applied


@pytest.mark.parametrize("passes", [True, False])
def test_what_is_in_the_way_and_passes_is_tried_again(passes: bool) -> None:
    class Away(Shelf):
        def plan(self, actual: set[str]) -> list[Planned]:
            return [Blocked("use d", "d does not answer", "start it", passes=passes)]

    with pytest.raises(StepError) as refused:
        converge(Away(set()))
    assert transient(refused.value) is passes


def test_a_dry_run_shows_it_apart_from_the_changes() -> None:
    outcome = converge(Nailed({"a"}), dry_run=True)
    assert [change.target for change in outcome.changes] == ["b", "c"]
    assert [str(each) for each in outcome.blocked] == ["add d"]
    assert len((outcome + outcome).blocked) == 2


def test_outcomes_of_parts_add_up() -> None:
    one = Outcome("pgsql", (Change(Kind.MAKE, "a", "a"),), 1.0, applied=True)
    two = Outcome("pgsql", (Change(Kind.MAKE, "b", "b"),), 0.5, applied=False)
    total = one + two
    assert [c.what for c in total.changes] == ["a", "b"]
    assert (total.seconds, total.applied) == (1.5, True)
