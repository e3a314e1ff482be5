"""A failure, and a kill, at each step of an upgrade in turn: the old release serves, with its data.

`make test-upgrade`: each case stops and starts a whole stack, mostly twice.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from config.errors import StepError
from flows.parts.graph import Graph
from flows.parts.upgrading import Upgrading, back
from tasks.core import release_file, upgrade_mark
from tasks.core.site import Site
from tasks.steps import revisions, tasks
from tasks.upgrades import stages
from tests.integration.test_backup import in_child
from tests.integration.upgrading import (
    HEADS,
    NEW,
    OLD,
    dify,
    require_served_as_before,
    sql_step,
    state,
    to,
    upgrade,
)

__all__ = ["dify"]

STEPS = ("settings", "migrate", "compose", "portal", "hosts")
OF_UPGRADE = ("begin", "stop", "change", "opened", "watch", "done")
NEVER = {"query": "SELECT 1", "wanted": "2", "sql": "SELECT 1"}
Trouble = Callable[[], object]


def fails() -> None:
    raise StepError("injected", "no more of this")


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def broken(monkeypatch: pytest.MonkeyPatch, at: str, trouble: Trouble, *, before: bool) -> None:
    """Before, or after, the work of that step of the new release there is trouble."""
    if at in OF_UPGRADE:
        work = getattr(stages, at)

        def stage(site: Site, *words: Any, **options: Any) -> Any:
            if before:
                trouble()
            found = work(site, *words, **options)
            trouble()
            return found

        monkeypatch.setattr(stages, at, stage)
        return
    module, name = (tasks, "prove") if at == "verify" else (tasks.work, "carry_out_parts")
    carried = getattr(module, name)

    def step(site: Site, *words: Any, **options: Any) -> Any:
        mine = site.release.version == NEW and at in (*words, "verify")
        if mine and before:
            trouble()
        found = carried(site, *words, **options)
        if mine:
            trouble()
        return found

    monkeypatch.setattr(module, name, step)


CASES = [
    *((name, True) for name in (*STEPS, "verify", "stop", "change", "watch")),
    *((name, False) for name in (*STEPS, "verify", "opened", "done")),
]


@pytest.mark.parametrize(("at", "before"), CASES)
def test_whatever_fails_the_old_release_serves_with_all_its_data(
    dify: Site, monkeypatch: pytest.MonkeyPatch, at: str, before: bool
) -> None:
    was = state(dify)
    with monkeypatch.context() as patch:
        broken(patch, at, fails, before=before)
        with pytest.raises(StepError, match=r"Dify 1\.15\.0 serves again"):
            upgrade(dify).carry_out(drilled=False)
    require_served_as_before(dify, was)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hand_step_that_is_not_done_is_gone_back_from(dify: Site, when: str) -> None:
    was = state(dify)
    step = sql_step(when, **NEVER)
    with pytest.raises(StepError, match=f"a-step-{when} ran and is not done: its query says 1"):
        upgrade(dify, step).carry_out(drilled=False)
    require_served_as_before(dify, was)
    assert release_file.read(dify.environment, dify.node).hand_steps == {}


def killed(upgrading: Upgrading, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    with monkeypatch.context() as patch:
        broken(patch, at, dies, before=False)
        assert in_child(lambda: upgrading.carry_out(drilled=False)) == -signal.SIGKILL


@pytest.mark.parametrize("at", [*OF_UPGRADE[:-1], *STEPS, "verify"])
def test_a_killed_upgrade_is_gone_back_from(
    dify: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    was = state(dify)
    killed(upgrade(dify), monkeypatch, at)
    with pytest.raises(StepError, match="stopped half-way"):
        upgrade_mark.require_none(dify)
    assert stages.last(dify).point
    back(Graph(to(dify, OLD)))
    require_served_as_before(dify, was)


@pytest.mark.parametrize("at", ["stop", "migrate", "compose", "opened"])
def test_a_killed_upgrade_is_gone_on_with(
    dify: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    was = state(dify)
    killed(upgrade(dify), monkeypatch, at)
    again = upgrade(dify)
    assert again.way.going_on
    report = again.carry_out(drilled=False)
    assert (report.point == again.way.going_on.point) == again.way.going_on.saved
    assert report.unsaved_s == 0 < report.downtime_s
    assert revisions.in_database(dify) == HEADS[NEW]
    back(Graph(to(dify, OLD)))
    require_served_as_before(dify, was)


@pytest.mark.parametrize("at", ["migrate", "compose", "verify"])
def test_a_killed_way_back_is_gone_on_with(
    dify: Site, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    was = state(dify)
    killed(upgrade(dify), monkeypatch, "compose")
    old = to(dify, OLD)
    with monkeypatch.context() as patch:
        patch.setattr("tests.upgrades.test_every_step.NEW", OLD)
        broken(patch, at, dies, before=True)
        assert in_child(lambda: back(Graph(old))) == -signal.SIGKILL
    back(Graph(old))
    require_served_as_before(dify, was)
