"""Commands that are interrupted at random moments: a rerun finishes, and nothing is different.

`make chaos CHAOS_MOMENTS=100 CHAOS_SEED=7`.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.chaos.disturbed import Disturbed
from tests.chaos.moments import OPERATIONS, Moment, moments
from tests.chaos.state import State, differences, locks, points, state
from tests.e2e.conftest import machine

SEED = int(os.environ.get("CHAOS_SEED") or 379)
COUNT = int(os.environ.get("CHAOS_MOMENTS") or 1)


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Disturbed]:
    """A machine that no Prefect server knows, with a restore point; how long each command takes."""
    made = machine(
        "chaos", PREFECT_API_URL="",
        ROLLOUT__BACKUP__KEEP__LAST="1000",
    )  # fmt: skip
    here = Disturbed(made, tmp_path_factory.mktemp("chaos"))
    try:
        here.finish("deploy")
        (made.home / "sandbox" / "data" / "app" / "storage" / "kept.txt").write_text("kept")
        made.rollout("backup", "sandbox")
        [here.point] = points(made)
        yield here
    finally:
        made.rollout("down", "sandbox", "--purge", "--yes", check=False)


@pytest.fixture(scope="module")
def undisturbed(disturbed: Disturbed) -> tuple[State, set[str]]:
    """What the machine holds, and what changes although nobody disturbs it."""
    wanted = {each.operation for each in moments(SEED, COUNT)}
    before = state(disturbed.machine)
    for operation in sorted(wanted & set(OPERATIONS), key=OPERATIONS.index):
        if operation == "deploy":
            disturbed.damage("all containers removed")
        disturbed.seconds[operation] = disturbed.finish(operation)
    after = state(disturbed.machine)
    return after, set(differences(before, after, set()))


@pytest.mark.parametrize("moment", moments(SEED, COUNT), ids=str)
def test_a_rerun_finishes_and_nothing_is_different(
    disturbed: Disturbed, undisturbed: tuple[State, set[str]], moment: Moment
) -> None:
    print(f"CHAOS_SEED={SEED}, moment {moment}")
    before, volatile = undisturbed
    had = points(disturbed.machine)
    disturbed.damage(moment.damage)
    said = disturbed.interrupt(moment)
    assert "Traceback" not in said, said
    disturbed.finish(moment.operation)
    after = state(disturbed.machine)
    assert differences(before, after, volatile) == {}, said
    assert disturbed.machine.json("deploy", "sandbox")["changes"] == 0
    require_points_kept(had, points(disturbed.machine), moment)


def require_points_kept(had: dict[str, object], has: dict[str, object], moment: Moment) -> None:
    """None is lost; one that the interrupted command had finished is beside the rerun's."""
    assert had.items() <= has.items()
    made = {"backup": 1, "restore": 1}.get(moment.operation, 0)
    assert made <= len(has.keys() - had.keys()) <= 2 * made


def test_every_restore_point_is_whole(disturbed: Disturbed, tmp_path: Path) -> None:
    done = disturbed.machine.rollout("backup", "check", "sandbox", "--json", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert locks(disturbed.machine) == 0
