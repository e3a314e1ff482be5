"""`rollout sandbox`: a Prefect server on the sandbox's own PostgreSQL, and a deploy through it."""

import math
import sys
import time
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from cli import output, runs
from cli.server_setup import apply_setup
from clients.waiting import until
from config.errors import RolloutError
from config.load import load_environment, load_release
from config.rules.heartbeat import HEARTBEAT_S

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, Log, State

POLL_S = 0.3
PAGE = 200
LOG_WITHIN_S = 10.0
WORKER_WITHIN_S = 60.0


def sandbox(name: str) -> None:
    """Start what is missing, apply prefect.yaml and deploy through `deploy/<name>`."""
    from tasks.platforms import platform

    environment = load_environment(name)
    if platform(environment).folder(environment) is None:
        raise RolloutError(f"{name} is not a sandbox; expected `rollout deploy {name}`")
    runs.tell_steps()
    runs.collect_garbage_again()
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    from tasks.platforms.sandbox.prefect import api_url
    from tasks.platforms.sandbox.prefect_secrets import login_file

    own = PREFECT_API_URL.value() in (None, api_url(environment))
    settings: dict[Any, str] = {}
    if own:
        url, login = _own_server(name)
        settings = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: login}
    with temporary_settings(settings):
        # Schedules of staging and prod have nothing to do on a sandbox's own server.
        apply_setup([name])
        run = _start(name)
        _follow(run, name, environment.nodes.patience)
    url = str(PREFECT_API_URL.value() or api_url(environment)).removesuffix("/api")
    login = f", log in with: cat {login_file(environment)}" if own else ""
    output.closing(name, _rehearsal(name), url + login)


def _own_server(name: str) -> tuple[str, str]:
    """Address and login of the sandbox's own server, which runs then."""
    from tasks.core.site import Site
    from tasks.core.step import converge
    from tasks.platforms.sandbox import prefect
    from tasks.platforms.sandbox.home import prepare_home, starting_alone
    from tasks.platforms.sandbox.postgres import server_steps
    from tasks.platforms.sandbox.prefect_secrets import api_login, database_password
    from tasks.probes.preflight.checks import preflight, require
    from tasks.steps.docker import docker_steps
    from tasks.steps.pgsql import prefect_database_steps

    environment = load_environment(name)
    site = Site(environment, load_release(environment.dify.release), {})
    require(preflight(site))
    prepare_home(site)
    with starting_alone(site):
        password, login = database_password(site), api_login(site)
        for step in (
            *docker_steps(site),
            *server_steps(site),
            *prefect_database_steps(site, password),
            *prefect.prefect_steps(site, password, login),
        ):
            converge(step, patience=site.within(1))
    return prefect.api_url(environment), login.get_secret_value()


def _start(name: str) -> "FlowRun":
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    try:
        return cast("FlowRun", run_deployment(f"deploy/{name}", timeout=0))
    except ObjectNotFound:
        raise RolloutError(
            f"prefect.yaml: no deployment deploy/{name}; add one beside deploy/sandbox"
        ) from None


def _follow(run: "FlowRun", name: str, patience: float) -> None:
    """Print the run's log as it grows, until it ends; raise what it failed with."""
    from prefect.client.orchestration import get_client

    began = time.monotonic()
    shown: set[UUID] = set()

    def seen() -> "State[Any] | None":
        state = client.read_flow_run(run.id).state
        ended = state is not None and _is_over(state)
        _show_log(client, run.id, shown)
        if state is not None and not (state.is_running() or state.is_final()):
            _check_worker(time.monotonic() - began, patience)
        return state if ended else None

    with get_client(sync_client=True) as client:
        state = until(seen, within_s=math.inf, every_s=POLL_S)
        # The run's process sends its last lines after its end; Prefect's own is the very last.
        until(
            lambda: any(_is_last(line) for line in _show_log(client, run.id, shown)),
            within_s=LOG_WITHIN_S,
            every_s=POLL_S,
        )
    if state is not None and not state.is_completed():
        raise RolloutError(f"deploy {name} ended as {state.name}: {state.message or 'see its log'}")


def _is_over(state: "State[Any]") -> bool:
    """Whether the run has ended; one called Crashed may be alive and say so at its next beat."""
    crashed_s = (datetime.now(UTC) - state.timestamp).total_seconds()
    return state.is_final() and not (state.is_crashed() and crashed_s < 2 * HEARTBEAT_S)


def _is_last(line: "Log") -> bool:
    return line.name == "prefect.flow_runs" and line.message.startswith("Finished in state")


def _show_log(client: "SyncPrefectClient", run: UUID, shown: set[UUID]) -> "list[Log]":
    """Print the lines that are not `shown` yet and add them there; those lines."""
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
    from prefect.client.schemas.sorting import LogSort

    new: list[Log] = []
    # Lines of worker and run arrive in batches out of order, so each page is looked at anew.
    for offset in count(0, PAGE):
        lines = client.read_logs(
            log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])),
            sort=LogSort.TIMESTAMP_ASC,
            limit=PAGE,
            offset=offset,
        )
        for line in lines:
            if line.id in shown:
                continue
            shown.add(line.id)
            new.append(line)
            if line.name == "rollout":
                at = line.timestamp.astimezone().strftime("%H:%M:%S")
                sys.stderr.write(f"{at} {line.message}\n")
        if len(lines) < PAGE:
            break
    return new


def _check_worker(waited_s: float, patience: float) -> None:
    if waited_s > WORKER_WITHIN_S * patience:
        from tasks.platforms.sandbox.prefect import POOL

        raise RolloutError(
            f"no worker took the run within {waited_s:.0f} s; "
            f"start one: uv run prefect worker start --pool {POOL}"
        )


def _rehearsal(name: str) -> list[str]:
    from tasks.core.site import Site
    from tasks.steps.images import rehearsal_images

    environment = load_environment(name)
    return rehearsal_images(Site(environment, load_release(environment.dify.release), {}))
