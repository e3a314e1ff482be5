"""The share of the processors of a container that starts beside another one."""

import pytest

from tasks.steps.weight import enough


@pytest.mark.parametrize(
    ("weight", "is_enough"),
    # What runc before 1.4 makes of 1024 and of 2598 shares, and newer ones of 1024; no cgroup v2.
    [("39\n", False), ("100\n", True), ("209\n", True), ("", True), ("max\n", True)],
)
def test_a_weight_below_that_of_others_is_not_enough(weight: str, is_enough: bool) -> None:
    assert enough(weight) is is_enough
