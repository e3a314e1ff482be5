"""Flows run in this process, recorded by the configured server or the sandbox's own, if any."""

import gc
import logging
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from config.environment import Environment
from config.load import load_environment, load_release
from config.rules.deployments import ON_DEMAND, OURS

if TYPE_CHECKING:
    from prefect import Flow

    from flows.check import CheckReport
    from flows.images import ImagesReport
    from flows.parts.adopt_report import AdoptReport
    from flows.parts.back_to import LossReport
    from flows.parts.drill_report import DrillReport
    from flows.parts.points_report import PointsReport
    from flows.parts.report import Report
    from flows.parts.restore_report import RestoreReport
    from flows.parts.upgrade_report import UpgradeReport
    from tasks.probes.health.ask import Checkup
    from tasks.probes.health.fleet import Summary

# On a busy machine a server may take its time; one that is gone is not waited for longer.
ANSWER_S = 20.0
_TELLS = "steps on stderr"

log = logging.getLogger("rollout")


def plan(
    environment: str, *, only: list[str], release: str = "", promote_from: str = ""
) -> "Report":
    """What a deploy would change. Nothing is done, and no run is recorded."""
    check_steps(only)
    with server(environment):
        from flows.parts.opening import locked
        from flows.parts.report import report_on
        from tasks.steps import rollout

        tell_steps()
        collect_garbage_again()
        began = time.monotonic()
        with locked(
            environment, run="", release=release, promote_from=promote_from, dry_run=True
        ) as site:
            outcomes = rollout.plan(site, only=only)
            return report_on(site, began=began, outcomes=outcomes)


def deploy(environment: str, *, only: list[str], **parameters: Any) -> "Report":
    """The report of the deploy flow. Raises what stopped it."""
    check_steps(only)
    with server(environment):
        from flows.deploy import deploy as flow

        return _run(flow, environment=environment, only=only, **parameters)


def check(environment: str) -> "CheckReport":
    with server(environment):
        from flows.check import check as flow

        return _run(flow, environment=environment)


def verify(environment: str) -> "Report":
    with server(environment):
        from flows.verify import verify as flow

        return _run(flow, environment=environment)


def health(environment: str) -> "Checkup":
    with server(environment):
        from flows.health import health as flow

        return _run(flow, environment=environment)


def fleet(environments: list[str], *, at_once: int) -> "list[Summary]":
    with server(environments[0]):
        from flows.fleet import fleet as flow

        return _run(flow, environments=environments, at_once=at_once)


def backup(environment: str, *, before: str) -> "PointsReport":
    with server(environment):
        from flows.backup import backup as flow

        return _run(flow, environment=environment, before=before)


def points(environment: str, *, check: bool) -> "PointsReport":
    with server(environment):
        from flows.points import points as flow

        return _run(flow, environment=environment, check=check)


def preview_loss(environment: str, *, to_time: str) -> "LossReport":
    with server(environment):
        from flows.restore import restore as flow

        return _run(flow, environment=environment, to_time=to_time, preview=True)


def back_to(environment: str, *, to_time: str) -> "RestoreReport":
    with server(environment):
        from flows.restore import restore as flow

        return _run(flow, environment=environment, to_time=to_time, confirm=environment)


def restore(environment: str, *, source: str, **parameters: Any) -> "RestoreReport":
    load_environment(source or environment)
    with server(environment):
        from flows.restore import restore as flow

        return _run(
            flow,
            environment=environment,
            source=source,
            confirm=environment,
            **parameters,
        )


def plan_upgrade(environment: str, **parameters: Any) -> "Report":
    with server(environment):
        from flows.upgrade import upgrade as flow

        return _run(flow, environment=environment, dry_run=True, **parameters)


def upgrade(environment: str, **parameters: Any) -> "UpgradeReport":
    with server(environment):
        from flows.upgrade import upgrade as flow

        return _run(flow, environment=environment, **parameters)


def rehearsal(environment: str, *, to: str) -> "UpgradeReport | None":
    """None where no release is newer than the one that runs."""
    with server(environment):
        from flows.rehearsal import rehearsal as flow

        return _run(flow, environment=environment, to=to)


def is_upgrade(environment: str, *, source: str) -> bool:
    """Whether a promotion brings the environment a newer release."""
    from tasks.core import promotion

    return promotion.is_upgrade(environment, source)


def rollback(environment: str, **parameters: Any) -> "UpgradeReport":
    with server(environment):
        from flows.rollback import rollback as flow

        return _run(flow, environment=environment, **parameters)


def switch(environment: str, **parameters: Any) -> "Report":
    with server(environment):
        from flows.switch import switch as flow

        return _run(flow, environment=environment, **parameters)


def plan_adoption(environment: str, **parameters: Any) -> "Report":
    with server(environment):
        from flows.adopt import adopt as flow

        return _run(flow, environment=environment, dry_run=True, **parameters)


def adopt(environment: str, **parameters: Any) -> "AdoptReport":
    with server(environment):
        from flows.adopt import adopt as flow

        return _run(flow, environment=environment, **parameters)


def drill(environment: str, *, point: str) -> "DrillReport":
    with server(environment):
        from flows.drill import drill as flow

        return _run(flow, environment=environment, point=point)


def images(environment: str, **parameters: Any) -> "ImagesReport":
    with server(environment):
        from flows.images import images as flow

        return _run(flow, environment=environment, **parameters)


def check_steps(only: list[str]) -> None:
    if only:
        from tasks.steps.table import require_known

        require_known(only)


@contextmanager
def server(environment: str) -> Generator[None]:
    """Prefect points at the server configured, else at the sandbox's own if that is up."""
    desired = load_environment(environment)
    load_release(desired.dify.release)
    from prefect.settings import temporary_settings

    with temporary_settings(own_server(desired)):
        yield


def own_server(desired: Environment) -> dict[Any, str]:
    """Prefect's settings for the sandbox's own server, empty where that is not the one to use."""
    from tasks.platforms import platform

    if platform(desired).folder(desired) is None:
        return {}
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    from tasks.platforms.sandbox import prefect

    given, login = PREFECT_API_URL.value(), PREFECT_API_AUTH_STRING.value()
    if given and (login or given != prefect.api_url(desired)):
        return {}
    found = prefect.own_server(desired)
    return {PREFECT_API_URL: found[0], PREFECT_API_AUTH_STRING: found[1]} if found else {}


def _run(flow: "Flow[..., Any]", **parameters: Any) -> Any:
    """Run the flow here, its steps told on stderr; without a server nothing records it.

    Without Prefect's own heartbeat, which costs a second at the end of every run and is not what
    the server waits for: that is sent by flows/parts/heartbeat.py.
    """
    tell_steps()
    collect_garbage_again()
    from blocks.prefect_api import configured
    from flows.parts.result import result_of

    if not configured():
        typer.echo("no Prefect server: this run is not recorded", err=True)
        return result_of(flow.fn(**flow.validate_parameters(parameters)))
    return result_of(_recorded(flow, parameters))


def _recorded(flow: "Flow[..., Any]", parameters: dict[str, Any]) -> object:
    """The state of a run on the server, or what came of its work where the server went away."""
    from prefect import settings, tags

    from cli import server_errors
    from flows.parts import recording

    patience: dict[Any, float | None] = {
        settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        settings.PREFECT_CLIENT_MAX_RETRIES: 2,
        settings.PREFECT_API_REQUEST_TIMEOUT: ANSWER_S,
    }
    # Lines that do not reach the server are on this terminal.
    logging.raiseExceptions = False
    own = (OURS, ON_DEMAND, *filter(None, [parameters.get("environment")]))
    with recording.this_one() as run, settings.temporary_settings(patience), tags(*own):
        try:
            return flow(**parameters, return_state=True)
        except Exception as error:
            if not run.ended or not (said := server_errors.sentence(error)):
                raise
            if not run.end_late():
                typer.echo(f"{said}\nthe work has ended; how is not recorded there", err=True)
            return run.outcome


def collect_garbage_again() -> None:
    """What was imported stays for good, so no collection looks through it, not even the last."""
    gc.freeze()
    gc.enable()


def tell_steps() -> None:
    """Steps are told on stderr, once also where a plan comes before the work."""
    if any(handler.get_name() == _TELLS for handler in log.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(_TELLS)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)
