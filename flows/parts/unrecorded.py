"""Tasks as plain threads, for a run that no Prefect server records."""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Pending
from prefect.tasks import Task

from blocks.run_messages import failed
from tasks.core.site import Site
from tasks.core.tasks import unrecorded


class Unrecorded:
    """A task on its way; `state` is what Prefect would call it."""

    def __init__(self, work: Callable[[], Any], before: Sequence["Unrecorded"]) -> None:
        self.state: State[Any] = Pending()
        self._result = work
        self._before = before
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._work,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def _work(self) -> None:
        for each in self._before:
            each.wait()
        if all(each.state.is_completed() for each in self._before):
            self.state = self._outcome()

    def _outcome(self) -> State[Any]:
        try:
            return Completed(data=self._result())
        except Exception as error:  # noqa: BLE001 - raised where the run collects the results
            return failed(error)


def start(
    task: Task[..., Any], site: Site, before: Sequence[Unrecorded], *args: Any, **options: Any
) -> Unrecorded:
    """Run the task once those before it have ended well; it is left out if one of them has not."""
    made = Unrecorded(partial(unrecorded, task, site, *args, **options), before)
    made.start()
    return made
