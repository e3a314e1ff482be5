"""Steps as plain threads, for a run that no Prefect server records."""

import threading
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any, cast

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed, Pending

from flows.parts.tasks import RolloutTask
from tasks.core.site import Site


class Unrecorded:
    """A step on its way; `state` is what Prefect would call it."""

    def __init__(self, step: RolloutTask, site: Site, before: Sequence["Unrecorded"]) -> None:
        self.state: State[Any] = Pending()
        self._step = step
        self._site = site
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
            found = self._step.fn(self._site)
        except Exception as error:  # noqa: BLE001 - told where the run collects what came of it
            return Failed(message=str(error), data=error)
        return cast(State[Any], found) if isinstance(found, State) else Completed(data=found)


def start(step: RolloutTask, site: Site, before: Sequence[Unrecorded]) -> Unrecorded:
    """Run the step once those before it have ended well; it is left out if one of them has not."""
    made = Unrecorded(step, site, before)
    made.start()
    return made
