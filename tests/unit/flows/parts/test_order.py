"""Which steps wait for which, when only some are wanted."""

from typing import Any, cast

import pytest

from flows.parts.order import Order
from tasks.core.site import Site


class Recorded:
    """A step that remembers what it was told to wait for; its future is its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waits: list[str] = []

    def submit(self, site: Any, *, wait_for: list[str]) -> str:
        self.waits = wait_for
        return self.name


@pytest.fixture
def graph():
    """A chain of three, then two beside each other, then one after both."""

    def submit(only: list[str]) -> dict[str, list[str]]:
        order = Order(cast(Site, None), only=only)
        steps = {name: Recorded(name) for name in ("configure", "install", "docker", "a", "b", "c")}
        given = {name: cast(Any, step) for name, step in steps.items()}
        configure = order.submit(given["configure"], after=[])
        install = order.submit(given["install"], after=[configure])
        docker = order.submit(given["docker"], after=[install])
        a = order.submit(given["a"], after=[docker])
        b = order.submit(given["b"], after=[docker])
        order.submit(given["c"], after=[a, b])
        return {name: step.waits for name, step in steps.items()}

    return submit


def test_every_step_waits_for_those_before_it(graph):
    waits = graph([])
    assert waits["docker"] == ["install"] and waits["c"] == ["a", "b"]


def test_a_step_left_out_does_not_break_the_order(graph):
    waits = graph(["configure", "a", "b", "c"])
    assert waits["a"] == waits["b"] == ["configure"]
    assert graph(["configure", "c"])["c"] == ["configure"]
