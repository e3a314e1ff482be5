"""Restarts only where they are allowed, late enough and within the budget."""

from typing import Any

from config.load import load_environment
from config.rules.finding import Finding, Status
from config.rules.health.healing import due, healed
from config.rules.health.record import Known, Record

HEALTH = load_environment("sandbox").health.model_copy(
    update={"heal": {"web": 2}, "confirm": [2, 3]}
)
NOW = 100_000.0


def decided(probe: str = "container web", fails: int = 3, **more: Any) -> list[tuple[str, bool]]:
    times = more.pop("times", [])
    record = Record(probes={probe: Known(fails=fails)}, healed={"web": times})
    finding = Finding(probe, more.pop("status", Status.FAIL), "", **more)
    return [(each.service, each.spent) for each in due(record, [finding], HEALTH, NOW)]


def test_a_service_is_due_after_so_many_failures_in_a_row():
    assert decided(fails=2) == []
    assert decided(fails=3) == [("web", False)]


def test_only_what_the_environment_names():
    assert decided("container api") == []
    assert decided("web") == []


def test_state_is_never_touched():
    assert decided("postgres") == []
    assert decided("redis") == []


def test_what_another_probe_explains_is_left_alone():
    assert decided(because="docker") == []


def test_a_warning_is_no_reason():
    assert decided(status=Status.WARN) == []


def test_the_budget_is_of_the_last_hour():
    assert decided(times=[NOW - 10, NOW - 20]) == [("web", True)]
    assert decided(times=[NOW - 10, NOW - 3601]) == [("web", False)]


def test_restarts_are_counted_and_forgotten_after_an_hour():
    record = healed(Record(healed={"web": [NOW - 4000, NOW - 5], "old": [1.0]}), ["web"], NOW)
    assert record.healed == {"web": [NOW - 5, NOW]}
