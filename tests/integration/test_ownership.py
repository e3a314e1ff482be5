"""A machine that belongs to a protected environment is left alone by every other one."""

from pathlib import Path

import pytest

from config.environment import Environment
from config.load import load_environment, load_release
from config.rules.finding import Status
from tasks.core.ownership import Owned, belongs, owner
from tasks.core.site import Site
from tasks.core.step import converge


def site(name: str, *, protected: bool, kind: str = "external") -> Site:
    tree = load_environment("staging").model_dump()
    found = {**tree, "name": name, "protected": protected, "platform": {"kind": kind}}
    return Site(Environment.model_validate(found), load_release("1.15.0"), {})


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "below" / "environment.json"


def test_the_first_deploy_marks_the_machine_and_the_second_finds_it(mark: Path) -> None:
    prod = site("prod", protected=True)
    first = converge(Owned(prod, mark))
    assert [(c.before, c.after) for c in first.changes] == [("nobody's", "prod (protected)")]
    assert converge(Owned(prod, mark)).changes == ()
    assert all(reading.status is Status.OK for reading in belongs(prod, mark))


@pytest.mark.parametrize(
    ("first", "second"), [((True), (False)), ((False), (True)), ((True), (True))]
)
def test_a_protected_machine_is_no_other_environments(
    mark: Path, first: bool, second: bool
) -> None:
    converge(Owned(site("one", protected=first), mark))
    text = mark.read_text()
    other = site("two", protected=second)
    [finding] = belongs(other, mark)
    assert finding.status is Status.FAIL
    assert "belongs to one" in finding.said
    assert str(mark) in finding.advice
    assert converge(Owned(other, mark)).changes == ()
    assert mark.read_text() == text


def test_unprotected_environments_share_a_machine(mark: Path) -> None:
    converge(Owned(site("one", protected=False), mark))
    two = site("two", protected=False)
    assert all(reading.status is Status.OK for reading in belongs(two, mark))
    assert converge(Owned(two, mark)).changes == ()


def test_an_environment_that_becomes_protected_says_so(mark: Path) -> None:
    converge(Owned(site("one", protected=False), mark))
    converge(Owned(site("one", protected=True), mark))
    found = owner(site("one", protected=True).node, mark)
    assert found is not None
    assert found.protected


@pytest.mark.parametrize("text", ["", "{", "[]", '{"environment": "x"}'])
def test_a_broken_mark_is_nobodys_and_is_written_anew(mark: Path, text: str) -> None:
    mark.parent.mkdir()
    mark.write_text(text)
    prod = site("prod", protected=True)
    assert all(reading.status is Status.OK for reading in belongs(prod, mark))
    assert len(converge(Owned(prod, mark)).changes) == 1


def test_the_sandbox_is_a_guest_on_any_machine(mark: Path) -> None:
    converge(Owned(site("prod", protected=True), mark))
    guest = Site(load_environment("sandbox"), load_release("1.15.0"), {})
    assert belongs(guest, mark) == []
