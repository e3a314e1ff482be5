"""What a run leaves on the Prefect server: tables, texts, labels, an event, and how it ended.

The work does not need the server. Where none is configured, nothing is left; one that goes away
costs a few seconds, and gets what it missed at the end of the run if it is back by then.
"""

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar, cast
from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, SyncClientContext
from prefect.events import emit_event
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Completed, Failed

from blocks.prefect_api import configured
from clients.waiting import until
from config.errors import RolloutError

log = logging.getLogger("rollout")

T = TypeVar("T")
ANSWER_S = 5.0
# Prefect itself asks a few more times at the end of a run.
GONE_S = 1.0
BACK_WITHIN_S = 15.0
POLL_S = 0.5


@dataclass
class Run:
    """A run that goes on. `missed`: what its server did not take. `gone`: and is not back."""

    identity: UUID | None = None
    outcome: object = None
    ended: bool = False
    gone: bool = False
    missed: list[Callable[[], Any]] = field(default_factory=list[Callable[[], Any]])

    def end(self, outcome: Any) -> None:
        """What came of the work; the server gets what it missed."""
        context = FlowRunContext.get()
        self.identity = context.flow_run.id if context and context.flow_run else None
        self.outcome, self.ended = outcome, True
        if self.missed:
            self._catch_up()
        if self.gone:
            _set_timeout(GONE_S)

    def _catch_up(self) -> None:
        self.gone = not _is_back(BACK_WITHIN_S)
        while self.missed and not self.gone:
            try:
                self.missed[0]()
            except Exception:  # noqa: BLE001 - said below, whatever it was
                self.gone = True
            else:
                del self.missed[0]
        if self.missed:
            count, url = len(self.missed), PREFECT_API_URL.value()
            log.warning("%d records of this run are missing on the server at %s", count, url)

    def end_late(self) -> bool:
        """Whether the server could be told how the run ended, after it was away."""
        if self.identity is None or self.gone or not _is_back(BACK_WITHIN_S):
            return False
        state = _state(self.outcome)
        bare = State[Any](type=state.type, name=state.name, message=state.message)
        try:
            with _impatient(), get_client(sync_client=True) as client:
                client.set_flow_run_state(self.identity, bare, force=True)
        except Exception:  # noqa: BLE001 - the caller says that it is missing
            return False
        return True


def _state(outcome: object) -> State[Any]:
    """How a run ended that came to this: a result, a state of its own, or an error."""
    if isinstance(outcome, RolloutError):
        return Failed(message=str(outcome))
    return cast(State[Any], outcome) if isinstance(outcome, State) else Completed()


_run: ContextVar[Run | None] = ContextVar("run", default=None)


@contextmanager
def this_one() -> Generator[Run]:
    """The run that goes on: the one that a caller further out began, else a new one."""
    if found := _run.get():
        yield found
        return
    token = _run.set(made := Run())
    try:
        yield made
    finally:
        _run.reset(token)


def record(work: Callable[[], T]) -> T | None:
    """What `work` made on the server; None where there is none, or none that answers."""
    if not configured():
        return None
    with this_one() as run:
        if not run.missed:
            try:
                with _impatient():
                    return work()
            except Exception as error:  # noqa: BLE001 - no record is worth the work
                log.warning("the Prefect server takes no records, the work goes on: %s", error)
        run.missed.append(partial(copy_context().run, work))
    return None


def table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    content = [dict(row) for row in rows] or [{"": "nothing to do"}]
    record(lambda: create_table_artifact(table=content, key=key, description=description))


def text(key: str, markdown: str, description: str) -> None:
    record(lambda: create_markdown_artifact(markdown, key=key, description=description))


def label(values: Mapping[str, str | int]) -> None:
    """Labels of the flow run that goes on."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return

    def work() -> None:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run.id, dict(values))

    record(work)


def event(name: str, resource: str, payload: Mapping[str, Any]) -> None:
    """What automations and dashboards listen to."""
    about = {"prefect.resource.id": resource}
    record(lambda: emit_event(event=name, resource=about, payload=dict(payload)))


@contextmanager
def _impatient() -> Generator[None]:
    """Meanwhile a request to a server that does not answer ends soon, and is not made again."""
    soon: dict[Any, Any] = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: ANSWER_S}
    usual = _set_timeout(ANSWER_S)
    try:
        with temporary_settings(soon):
            yield
    finally:
        _set_timeout(usual)


def _set_timeout(seconds: Any) -> Any:
    """The timeout until now of the client that serves the run; no setting reaches it any more."""
    context = SyncClientContext.get()
    client: Any = context.client._client if context else None  # pyright: ignore[reportPrivateUsage]
    if client is None or seconds is None:
        return None
    usual, client.timeout = client.timeout, seconds
    return usual


def _is_back(within_s: float) -> bool:
    """Whether the server answers until then, whatever it says of a stranger."""
    return until(_answers, within_s=within_s, every_s=POLL_S)


def _answers() -> bool:
    try:
        answer = httpx.get(f"{PREFECT_API_URL.value()}/ready", timeout=2)
    except httpx.HTTPError:
        return False
    return answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
