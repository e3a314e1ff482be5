"""The heartbeat of a run: tells the server that its process lives, and finds out if it was ended.

Prefect's own heartbeat is no use here: it comes every 180 s unless each worker's environment says
otherwise, at most every 30 s, never from a run on a terminal, and costs a second at a run's end.
"""

import logging
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import Any

from prefect import flow_engine
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Running

from blocks import events
from blocks.prefect_api import api
from config.rules.heartbeat import ALIVE, HEARTBEAT_S

log = logging.getLogger("rollout")

NAME = "prefect.flow-run.heartbeat"
STOP_WITHIN_S = 5.0
DELETED = "deleted"

_keep_lease = flow_engine.maintain_concurrency_lease  # pyright: ignore[reportPrivateImportUsage]


def _without_killing(lease_id: Any, duration: float, **_: Any) -> Any:
    """The lease of a run's place in the queue, whose loss ends nothing.

    Prefect would end the run wherever it is, in the middle of a restore, as soon as the server
    cannot renew the lease: after a restart it knows none. The environment's lock keeps others out.
    """
    return _keep_lease(lease_id, duration, suppress_warnings=True)


flow_engine.maintain_concurrency_lease = _without_killing  # pyright: ignore[reportPrivateImportUsage]


@contextmanager
def heartbeat() -> Generator[None]:
    """Beats while the body of a flow runs; none where no server records the run.

    The last beat has arrived before the server hears of the run's end, so that none wakes a run
    which has ended.
    """
    context = FlowRunContext.get()
    if not (context and context.flow_run and PREFECT_API_URL.value()):
        yield
        return
    over = Event()
    heart = Heart(context.flow_run, context.flow.name if context.flow else "", over)
    thread = Thread(target=copy_context().run, args=(heart.beats,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(STOP_WITHIN_S)


class Heart:
    """What one run tells the server, and what it does about what the server says of it.

    *Crashed* says that the process is gone: the process puts that right. Any other end was
    somebody's decision: the run obeys, one beat later, since a worker may be stopping it already.
    """

    def __init__(self, run: FlowRun, flow: str, over: Event) -> None:
        self._run = run
        self._over = over
        self._seen_ended = False
        self._event = events.Event(
            NAME,
            f"prefect.flow-run.{run.id}",
            # Only the events that name a state are what the server watches.
            {"prefect.resource.name": run.name, "prefect.state-type": StateType.RUNNING.value},
            {},
            events.relations(
                flow=flow,
                flow_id=str(run.flow_id),
                deployment=str(run.deployment_id or ""),
                tags=run.tags,
            ),
        )

    def beats(self) -> None:
        while not self._over.is_set():
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - the server may be gone, the work goes on
                log.debug("no heartbeat: %s", error)
            self._over.wait(HEARTBEAT_S)

    def _beat(self) -> None:
        ended = _ended(self._run)
        if self._over.is_set():
            return
        if ended not in ("", StateType.CRASHED):
            self._obey(ended)
            return
        self._seen_ended = False
        if ended:
            log.warning("the Prefect server took this run for dead; it is alive and goes on")
            api().set_flow_run_state(self._run.id, _alive(), force=True)
        events.emit([self._event])

    def _obey(self, ended: str) -> None:
        if self._seen_ended:
            log.error("this run was %s at the Prefect server; it stops here", ended.lower())
            os.kill(os.getpid(), signal.SIGTERM)
            self._over.set()  # once: it may have to bring back what served before
        self._seen_ended = True


def _ended(run: FlowRun) -> str:
    """How the run has ended as the server sees it, empty if it has not.

    A worker ends a run of its own that is to be cancelled; on a terminal nobody else does.
    """
    try:
        state = api().read_flow_run(run.id).state
    except ObjectNotFound:
        return DELETED
    if state is None:
        return ""
    ending = state.is_final() or (state.is_cancelling() and not run.deployment_id)
    return state.type.value if ending else ""


def _alive() -> State[None]:
    message = "Its process is alive and goes on. Cancel the run to end it."
    return Running(name=ALIVE, message=message)
