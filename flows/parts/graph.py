"""The tasks of one run as a graph: which waits for which, and what became of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from blocks.prefect_api import configured
from flows.parts.result import result_of
from flows.parts.unrecorded import Unrecorded, start
from tasks.core.site import Site
from tasks.core.step import Outcome
from tasks.core.tasks import fitted, unrecorded
from tasks.images.copy_to_nodes import NODES_AT_ONCE
from tasks.steps.table import edges
from tasks.steps.tasks import COPIES, STEPS

R = TypeVar("R")
End = PrefectFuture[Any] | Unrecorded | State[Any]


class Graph:
    """Tasks on a site. `_ends`: those that nothing waits for yet; what comes next waits for them.

    Without a Prefect server the same tasks run in the same order, and nothing is recorded.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._ends: Sequence[End] = ()

    def of(self, site: Site) -> "Graph":
        """The same run on another site: what comes next there waits for what came before here."""
        other = Graph(site)
        other._ends = self._ends
        return other

    def run(self, task: Task[..., R], *args: Any, **options: Any) -> R:
        """The result of a task that waits for all before it, run here and now.

        Raises:
            RolloutError: what it failed with.
        """
        if not configured():
            return unrecorded(task, self.site, *args, **options)
        _forget_results()
        passed = [quote(each) for each in args]
        own = {"wait_for": self._ends, "return_state": True}
        ended: Any = fitted(task, self.site)(self.site, *passed, **_quoted(options), **own)
        result = result_of(ended)
        self._ends = (_bare(ended),)
        return result

    def each(self, task: Task[..., R], items: Iterable[str], **options: Any) -> list[R]:
        """The results of a run of the task for each item, in their order; all run side by side.

        Raises:
            RolloutError: the first failure, in the order of the items, once all have ended.
        """
        started = [self._start(task, self._ends, item, **options) for item in items]
        for each in started:
            _wait(each)
        results: list[R] = [result_of(_state(each)) for each in started]
        self._ends = started or self._ends
        return results

    def steps(self, names: Iterable[str]) -> list[Outcome]:
        """What these steps of the table did, in its order; each begins when it can.

        Raises:
            RolloutError: the first failure, in the order of the steps.
        """
        waits, first = edges(names), self._ends
        started: list[End] = []
        ends: dict[str, Sequence[End]] = {}
        for name, before in waits.items():
            step = self._start(STEPS[name], [end for each in before for end in ends[each]] or first)
            copies = self._copies(name, step)
            started += [step, *copies]
            ends[name] = copies or [step]
        for each in started:
            _wait(each)
        results = [result_of(_state(each)) for each in started if _state(each).is_final()]
        waited_for = {each for before in waits.values() for each in before}
        last = [end for name in waits if name not in waited_for for end in ends[name]]
        self._ends = last or first
        return _by_step(result for result in results if isinstance(result, Outcome))

    def _copies(self, name: str, step: End) -> list[End]:
        """What the other nodes get from the first once it has it, a few nodes at a time."""
        copies: list[End] = []
        if name in COPIES:
            for number, each in enumerate(self.site.on_each()[1:]):
                before = copies[number - NODES_AT_ONCE] if number >= NODES_AT_ONCE else step
                copies.append(self._start(COPIES[name], [before], each.node.name))
        return copies

    def _start(
        self, task: Task[..., Any], before: Sequence[End], *args: Any, **options: Any
    ) -> End:
        if not configured():
            waits = [end for end in before if isinstance(end, Unrecorded)]
            return start(task, self.site, waits, *args, **options)
        _forget_results()
        work: Any = fitted(task, self.site)
        return work.submit(self.site, *args, wait_for=before, **_quoted(options))


def _forget_results() -> None:
    """Prefect knows a result by its address, which may be another value's by now.

    It would draw an edge from the task whose result was freed. `wait_for` says every edge here.
    """
    if context := FlowRunContext.get():
        context.run_results.clear()


def _bare(ended: State[Any]) -> State[Any]:
    """Without its result, in which Prefect would look for what else to draw an edge to.

    What ends before a task begins may have returned a part of it: Python has one empty tuple.
    None Prefect takes for a result that was lost.
    """
    return ended.model_copy(update={"data": True})


def _quoted(options: Mapping[str, Any]) -> dict[str, Any]:
    """As Prefect takes them: it looks for nothing in them, and draws no edge to what made them."""
    return {name: quote(value) for name, value in options.items()}


def _by_step(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """One outcome of each step, with what it did on every node."""
    found: dict[str, Outcome] = {}
    for each in outcomes:
        found[each.step] = found[each.step] + each if each.step in found else each
    return list(found.values())


def _wait(end: End) -> None:
    if not isinstance(end, State):
        end.wait()


def _state(end: End) -> State[Any]:
    return end if isinstance(end, State) else end.state
