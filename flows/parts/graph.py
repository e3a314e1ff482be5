"""The tasks of one run as a graph: which waits for which, and what became of them."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.tasks import Task

from blocks.prefect_api import configured
from flows.parts.result import result_of
from flows.parts.unrecorded import Unrecorded, start
from tasks.core.site import Site
from tasks.core.step import Outcome
from tasks.core.tasks import fitted, unrecorded
from tasks.steps.table import edges
from tasks.steps.tasks import STEPS

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
        options |= {"wait_for": self._ends, "return_state": True}
        ended: Any = fitted(task, self.site)(self.site, *args, **options)
        result = result_of(ended)
        self._ends = (ended,)
        return result

    def steps(self, names: Iterable[str]) -> list[Outcome]:
        """What these steps of the table did, in its order; each begins when it can.

        Raises:
            RolloutError: the first failure, in the order of the steps.
        """
        waits, started, first = edges(names), dict[str, End](), self._ends
        for name, before in waits.items():
            started[name] = self._start(STEPS[name], [started[each] for each in before] or first)
        for each in started.values():
            _wait(each)
        results = [result_of(_state(each)) for each in started.values() if _state(each).is_final()]
        waited_for = {each for before in waits.values() for each in before}
        self._ends = [end for name, end in started.items() if name not in waited_for] or first
        return [result for result in results if isinstance(result, Outcome)]

    def _start(self, task: Task[..., Any], before: Sequence[End]) -> End:
        if not configured():
            return start(task, self.site, [end for end in before if isinstance(end, Unrecorded)])
        return fitted(task, self.site).submit(self.site, wait_for=before)  # pyright: ignore[reportUnknownMemberType]


def _wait(end: End) -> None:
    if not isinstance(end, State):
        end.wait()


def _state(end: End) -> State[Any]:
    return end if isinstance(end, State) else end.state
