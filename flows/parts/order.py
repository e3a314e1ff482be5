"""Submitting steps as a graph and collecting what became of them."""

from typing import Any

from prefect.futures import PrefectFuture

from blocks.prefect_api import configured
from flows.parts.tasks import RolloutTask, result_of
from flows.parts.unrecorded import Unrecorded, start
from tasks.core.site import Site
from tasks.core.step import Outcome

Future = PrefectFuture[Any] | Unrecorded
Ends = tuple[Future, ...]


class Order:
    """The steps of one run, in the order they were submitted."""

    def __init__(self, site: Site, *, only: list[str]) -> None:
        self.site = site
        self.only = only
        self._futures: list[Future] = []

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only

    def submit(self, step: RolloutTask, *, after: list[Ends]) -> Ends:
        """Start the step when those before it are done; what the ones after it wait for.

        For a step that is not wanted that is what it would have waited for itself.
        """
        before = tuple(dict.fromkeys(future for ends in after for future in ends))
        if not self.wants(step.name):
            return before
        future = self._start(step, before)
        self._futures.append(future)
        return (future,)

    def _start(self, step: RolloutTask, before: Ends) -> Future:
        if not configured():
            return start(step, self.site, [each for each in before if isinstance(each, Unrecorded)])
        return step.submit(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            self.site, wait_for=list(before)
        )

    def outcomes(self) -> list[Outcome]:
        """Every outcome, once all have ended.

        Raises:
            RolloutError: the first failure, in the order of the steps.
        """
        for future in self._futures:
            future.wait()
        results = [result_of(future.state) for future in self._futures if future.state.is_final()]
        return [result for result in results if isinstance(result, Outcome)]
