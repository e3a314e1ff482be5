"""Laws of the Prefect tasks: each is its own, says what it does, and ends."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prefect.tasks import Task

from config.load import ROOT
from tasks.core.tasks import GRACE_S
from tasks.steps.table import NAMES, TABLE, edges
from tasks.steps.tasks import STEPS

ROOMS = [path.parent.name for path in sorted(Path(ROOT, "tasks").glob("*/tasks.py"))]
TASKS: dict[str, Task[..., Any]] = {
    f"{room}.{name}": value
    for room in ROOMS
    for name, value in vars(import_module(f"tasks.{room}.tasks")).items()
    if isinstance(value, Task)
}


def test_each_room_with_tasks_is_found():
    assert ROOMS == ["adoption", "core", "images", "points", "probes", "steps", "upgrades"]
    assert len(TASKS) > len(NAMES)


def test_every_task_has_a_key_and_a_name_of_its_own():
    for attribute in ("task_key", "name"):
        found = [getattr(each, attribute) for each in TASKS.values()]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_it_does_and_ends_in_time(name: str):
    task = TASKS[name]
    assert task.description and task.description.strip().endswith(".")
    assert task.timeout_seconds and task.timeout_seconds > GRACE_S
    assert task.cache_policy and task.persist_result is False


def test_the_table_and_the_tasks_of_its_steps_agree():
    assert tuple(STEPS) == NAMES, "a step of the table has its task in tasks/steps/tasks.py"
    for row in TABLE:
        task = STEPS[row.name]
        assert task.name == row.name and task.description == row.description
        assert task.timeout_seconds == row.within_s + GRACE_S


def test_a_step_only_waits_for_steps_that_come_before_it_in_the_table():
    for number, row in enumerate(TABLE):
        assert set(row.after) <= set(NAMES[:number])
        assert row.after or number == 0, f"{row.name} has no edge"
    assert edges(NAMES) == {row.name: row.after for row in TABLE}
