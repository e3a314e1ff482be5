"""Which tasks wait for which, and that they do the same without a server."""

import time
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed

from config.errors import StepError
from flows.parts import graph as module
from flows.parts.graph import Graph
from tasks.core.site import Site, without_secrets
from tasks.core.step import Outcome
from tasks.core.tasks import task
from tasks.steps.table import NAMES, STACK, STATE


class Recorded:
    """A task that remembers what it was told to wait for; its future has its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.timeout_seconds = 60.0
        self.retries = 0
        self.waits: list[str] = []
        self.runs: dict[str, list[str]] = {}
        self.state = Completed(data=Outcome(name, (), 0.0, applied=False))

    def submit(self, site: Any, *items: str, wait_for: list["Recorded"]) -> "Recorded":
        run = Recorded(" ".join([self.name, *items])) if items else self
        run.state = self.state
        run.waits = self.runs[run.name] = [each.name for each in wait_for]
        return run

    def with_options(self, **_: Any) -> "Recorded":
        return self

    def wait(self) -> None:
        pass


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch):
    """What each of these steps waits for."""

    def of(*halves: list[str] | tuple[str, ...]) -> dict[str, list[str]]:
        steps = {name: Recorded(name) for name in NAMES}
        monkeypatch.setattr(module, "STEPS", steps)
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            graph = Graph(without_secrets("sandbox"))
            for half in halves:
                assert [outcome.step for outcome in graph.steps(half)] == list(half)
        return {name: step.waits for name, step in steps.items()}

    return of


def test_every_step_waits_for_those_before_it(waits):
    found = waits(NAMES)
    assert found["preflight"] == [] and found["bootstrap"] == ["preflight"]
    assert found["pgsql"] == found["redis"] == found["images"] == ["docker"]
    assert found["settings"] == ["pgsql", "redis", "images"]
    assert found["verify"] == ["portal", "hosts"]
    assert [name for name, before in found.items() if not before] == ["preflight"]


def test_a_step_left_out_does_not_break_the_order(waits):
    found = waits(["configure", "pgsql", "redis", "compose"])
    assert found["pgsql"] == found["redis"] == ["configure"]
    assert found["compose"] == ["pgsql", "redis", "configure"]
    assert waits(["bootstrap", "verify"])["verify"] == ["bootstrap"]


def test_the_second_half_of_a_restore_waits_for_the_first(waits):
    found = waits(STATE, STACK)
    assert found["docker"] == [] and found["settings"] == ["pgsql", "redis", "images"]
    assert found["portal"] == found["hosts"] == ["compose"]


class Nodes(Site):
    """A site of seven nodes."""

    def on_each(self) -> list[Any]:
        names = [f"node-{number}" for number in range(7)]
        return [SimpleNamespace(node=SimpleNamespace(name=name)) for name in names]


def test_each_further_node_gets_its_images_in_a_task_of_its_own_a_few_at_a_time(monkeypatch):
    steps = {name: Recorded(name) for name in ("images", "settings")}
    copies = Recorded("copy")
    copies.state = Completed(data=Outcome("images", (), 1.0, applied=True))
    monkeypatch.setattr(module, "STEPS", steps)
    monkeypatch.setattr(module, "COPIES", {"images": copies})
    site = without_secrets("sandbox")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = Graph(Nodes(site.environment, site.release, {})).steps(["images", "settings"])
    assert [outcome.step for outcome in found] == ["images", "settings"]
    assert copies.runs == {
        **{f"copy node-{number}": ["images"] for number in range(1, 5)},
        "copy node-5": ["copy node-1"],
        "copy node-6": ["copy node-2"],
    }
    assert steps["settings"].waits == list(copies.runs)


def test_a_task_of_each_item_waits_for_what_was_before_and_is_waited_for(monkeypatch):
    ask, last = Recorded("ask"), Recorded("last")
    monkeypatch.setattr(module, "STEPS", {"docker": Recorded("docker"), "pgsql": last})
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        graph = Graph(without_secrets("sandbox"))
        graph.steps(["docker"])
        assert len(graph.each(ask, ["a", "b"])) == 2
        graph.steps(["pgsql"])
    assert ask.runs == {"ask a": ["docker"], "ask b": ["docker"]}
    assert last.waits == ["ask a", "ask b"]


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch):
    """A graph without a server whose steps of the table do this."""

    def of(**works: Any) -> Graph:
        steps = {name: task(name, within_s=60)(work) for name, work in works.items()}
        monkeypatch.setattr(module, "STEPS", steps)
        return Graph(without_secrets("sandbox"))

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield of


def test_without_a_server_steps_run_in_the_same_order(unrecorded):
    done: list[str] = []

    def work(name: str) -> Any:
        def run(site: Site) -> Outcome:
            done.append(name)
            return Outcome(name, (), 0.0, applied=False)

        return run

    graph = unrecorded(docker=work("docker"), pgsql=work("pgsql"), settings=work("settings"))
    found = graph.steps(["docker", "pgsql", "settings"])
    assert [outcome.step for outcome in found] == done == ["docker", "pgsql", "settings"]


def test_without_a_server_a_step_may_return_nothing(unrecorded):
    assert unrecorded(preflight=lambda _: None).steps(["preflight"]) == []


@pytest.mark.parametrize("error", [StepError("docker", "it broke"), ValueError("it broke")])
def test_without_a_server_nothing_follows_a_step_that_failed(unrecorded, error):
    done: list[str] = []

    def fail(site: Site) -> Any:
        raise error

    graph = unrecorded(docker=fail, pgsql=lambda _: done.append("pgsql"))
    with pytest.raises(type(error), match="it broke"):
        graph.steps(["docker", "pgsql"])
    assert done == []


def test_without_a_server_a_task_runs_here_and_now(unrecorded):
    add = task("add", within_s=60)(lambda _, one, *, other: one + other)
    assert unrecorded().run(add, 1, other=2) == 3


def test_without_a_server_a_task_of_each_item_runs_side_by_side(unrecorded):
    together = Barrier(3, timeout=30)
    meet = task("meet", within_s=60, each="one")(
        lambda _, one, *, other: (together.wait(), one + other)[1]
    )
    assert unrecorded().each(meet, ["a", "b", "c"], other="!") == ["a!", "b!", "c!"]


def test_without_a_server_the_first_failure_is_raised_once_all_have_ended(unrecorded):
    done: list[str] = []

    def work(site: Site, one: str) -> None:
        if one == "a":
            raise StepError("docker", "it broke")
        time.sleep(0.1)
        done.append(one)

    with pytest.raises(StepError, match="it broke"):
        unrecorded().each(task("work", within_s=60, each="one")(work), ["a", "b"])
    assert done == ["b"]
