"""Whether everything an environment connects to lets it in. Changes nothing."""

import logging
import time
from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.parts import recording
from flows.parts.opening import asked
from flows.parts.tasks import finish, readable, step
from tasks.core.site import Site
from tasks.probes.connections.all import connections
from tasks.probes.connections.connection import Answer, ask_all
from tasks.probes.connections.connection import State as Became

log = logging.getLogger("rollout")


def _ask(site: Site) -> list[Answer]:
    answers = ask_all(connections(site))
    for each in answers:
        level = logging.ERROR if each.state is Became.FAILED else logging.INFO
        log.log(level, "%s %s: %s: %s", each.kind, each.where, each.state, each.said)
    return answers


ask = step(_ask, "check")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What each connection of the environment answered."""

    environment: str
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.state is Became.FAILED)


@flow(name="check", flow_run_name="check {environment}", persist_result=False)
@readable
def check(environment: str) -> State[Any]:
    """Connect to everything the environment names, as it would, and tell what is wrong.

    Whom `health.notify` names gets a message that it is only a check.

    Args:
        environment: A file of config/environments.
    """
    began = time.monotonic()
    answers = finish(ask, asked(environment))
    report = CheckReport(environment, tuple(answers), time.monotonic() - began)
    publish(report)
    if report.failed:
        message = "; ".join(f"{each.kind} {each.where}: {each.said}" for each in report.failed)
        return Failed(message=message, data=report)
    return Completed(message=f"{len(answers)} connections", data=report)


def rows(report: CheckReport) -> list[dict[str, Any]]:
    """What fails first."""
    order = (Became.FAILED, Became.LATER, Became.OK)
    return [
        {
            "state": str(each.state),
            "connection": each.kind,
            "where": each.where,
            "key": each.key,
            "what": each.said,
        }
        for each in sorted(report.answers, key=lambda each: order.index(each.state))
    ]


def publish(report: CheckReport) -> None:
    key = report.environment.replace("_", "-")
    count = len(report.failed)
    said = f"Connections of {key}: {f'{count} fail' if count else 'none fails'}"
    recording.table(f"connections-{key}", rows(report), said)
