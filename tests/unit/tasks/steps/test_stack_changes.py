"""What a plan says of the services of a stack that have to be replaced."""

from dataclasses import replace

from clients.docker_objects import ASIDE, WHOLE
from config.desired.colours import Colour
from tasks.steps.stack_changes import of_service
from tests.unit.tasks.steps.test_stack_actual import actual, container


def test_a_new_one_beside_the_old_one_is_told_with_its_seconds() -> None:
    found = replace(actual(container("api", made="old")), start_s=34.0)
    (change,) = of_service("api", Colour.GREEN, found)
    assert change.what == "start a new api beside the old one"
    assert change.after == "as config says, ready in about 34 s; the old one serves meanwhile"


def test_an_outage_is_told_with_its_reason_and_its_seconds() -> None:
    found = replace(actual(container("api", made="old")), obstacles={"api": "no memory"})
    (change,) = of_service("api", Colour.BLUE, replace(found, start_s=34.0))
    assert change.what == "recreate api"
    assert change.after == "as config says; no new one beside it: no memory; away for about 34 s"
    (unknown,) = of_service("api", Colour.BLUE, found)
    assert unknown.after == "as config says; no new one beside it: no memory"


def test_nothing_is_told_of_what_fits() -> None:
    assert of_service("api", Colour.BLUE, actual(container("api", made="a"))) == []


def test_what_a_killed_start_held_back_is_given_its_whole_part() -> None:
    held = replace(container("api", made="a"), shares=ASIDE)
    (change,) = of_service("api", Colour.BLUE, actual(held))
    assert change.what == "give api its whole part of the processors"
    assert of_service("api", Colour.BLUE, actual(replace(held, shares=WHOLE))) == []
    (ill,) = of_service("api", Colour.BLUE, actual(replace(held, health="unhealthy")))
    assert ill.what == "recover api"
