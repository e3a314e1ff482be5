"""A plan's name is what it would do: another change, value or release is another plan."""

from dataclasses import replace

import pytest

from config.errors import StepError
from config.load import load_environment, load_release
from flows.parts.approval import Approved, approval, shown
from flows.parts.report import Report
from tasks.core.origin import operator
from tasks.core.site import Site
from tasks.core.step import Blocked, Change, Kind, Outcome

CHANGE = Change(Kind.CHANGE, "LOG_LEVEL", "set LOG_LEVEL in .env", "INFO", "DEBUG")
IN_THE_WAY = Blocked("use Redis", "it evicts jobs", "forbid it")


def plan(*changes: Change, release: str = "1.15.0", seconds: float = 1.0) -> Report:
    outcome = Outcome("settings", changes, seconds, applied=False)
    return Report("prod", release, "run", "https://dify.example.com", seconds, (outcome,))


@pytest.fixture
def site() -> Site:
    return Site(load_environment("sandbox"), load_release("1.15.0"), {})


def test_the_same_changes_are_the_same_plan_whenever_it_was_made() -> None:
    assert plan(CHANGE, seconds=1).fingerprint == plan(CHANGE, seconds=9).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        plan(),
        plan(CHANGE, CHANGE),
        plan(replace(CHANGE, after="ERROR")),
        plan(replace(CHANGE, before="ERROR")),
        plan(CHANGE, release="0.6.11"),
    ],
)
def test_another_change_is_another_plan(other: Report) -> None:
    assert other.fingerprint != plan(CHANGE).fingerprint


def test_an_approved_plan_runs_in_the_name_of_who_gave_it(site: Site) -> None:
    given = plan(CHANGE).fingerprint
    who = approval(plan(CHANGE), site, given=given, reason="release day")
    assert who == Approved(operator(), "release day")


def test_an_approval_is_void_once_the_plan_is_another(site: Site) -> None:
    given = plan(CHANGE).fingerprint
    with pytest.raises(StepError, match=f"prod has changed since plan {given} was approved"):
        approval(plan(CHANGE, CHANGE), site, given=given, reason="release day")


def test_nobody_is_asked_to_approve_what_would_stop_half_way(site: Site) -> None:
    blocked = Outcome("redis", (), 1.0, applied=False, blocked=(IN_THE_WAY,))
    made = replace(plan(CHANGE), outcomes=(*plan(CHANGE).outcomes, blocked))
    assert made.counted == "1 changes, 1 thing in the way"
    assert made.fingerprint != plan(CHANGE).fingerprint
    with pytest.raises(StepError, match="redis: it evicts jobs\n  do: forbid it"):
        approval(made, site, given=made.fingerprint, reason="release day")


def test_a_plan_without_changes_needs_nobody(site: Site) -> None:
    assert approval(plan(), site, given="", reason="").by == "nobody"


def test_without_a_deployment_nobody_can_be_asked(site: Site) -> None:
    with pytest.raises(StepError, match="prod is protected and nobody approved plan"):
        approval(plan(CHANGE), site, given="", reason="")


def test_whoever_approves_reads_the_notes_above_the_changes() -> None:
    made = replace(plan(CHANGE), notes=("nobody can use Dify for about 60 s",))
    text = shown(made, "abc")
    assert text.index("- nobody can use Dify for about 60 s\n") < text.index("| settings |")
