"""Which steps wait for which, when only some are wanted."""

from typing import Any, cast

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from config.errors import StepError
from flows.parts.order import Order
from flows.parts.tasks import step
from tasks.core.site import Site, without_secrets
from tasks.core.step import Outcome


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
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            return submitted(order)

    def submitted(order: Order) -> dict[str, list[str]]:
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


@pytest.fixture
def unrecorded():
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield Order(without_secrets("sandbox"), only=[])


def test_without_a_server_steps_run_in_the_same_order(unrecorded):
    done: list[str] = []

    def work(name: str) -> Any:
        def run(site: Site) -> Outcome:
            done.append(name)
            return Outcome(name, (), 0.0, applied=False)

        return step(run, name)

    first = unrecorded.submit(work("first"), after=[])
    second = unrecorded.submit(work("second"), after=[first])
    unrecorded.submit(work("third"), after=[second])
    assert [outcome.step for outcome in unrecorded.outcomes()] == done
    assert done == ["first", "second", "third"]


@pytest.mark.parametrize("error", [StepError("first", "it broke"), ValueError("it broke")])
def test_without_a_server_nothing_follows_a_step_that_failed(unrecorded, error):
    done: list[str] = []

    def fail(site: Site) -> Any:
        raise error

    first = unrecorded.submit(step(fail, "first"), after=[])
    unrecorded.submit(step(lambda _: done.append("second"), "second"), after=[first])
    with pytest.raises(type(error), match="it broke"):
        unrecorded.outcomes()
    assert done == []
