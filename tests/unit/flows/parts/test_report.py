"""What people read of a run."""

import pytest

from flows.parts.report import Report


@pytest.mark.parametrize("work", ["a deploy", "an upgrade", "an adoption", "a way back"])
def test_the_title_of_a_plan_names_the_work_and_the_environment(work: str) -> None:
    plan = Report("on_nodes", "1.15.0", "run", "https://dify.example.com", 1.0)
    assert plan.would_change(work) == f"What {work} of on_nodes would change"
    assert plan.in_the_way(work) == f"What is in the way of {work} of on_nodes"
