"""Whether everything an environment connects to lets it in. Changes nothing."""

import time
from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from config.rules.finding import Finding
from flows.parts import recording
from flows.parts.graph import Graph
from flows.parts.opening import known_secrets
from flows.parts.run import recorded
from tasks.probes import tasks
from tasks.probes.connections.connection import State as Became
from tasks.probes.connections.connection import state


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found of each connection of the environment."""

    environment: str
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.at_fault)


@flow(name="check", flow_run_name="check {environment}", persist_result=False)
@recorded
def check(environment: str) -> State[Any]:
    """Connect to everything the environment names, as it would, and tell what is wrong.

    Whom `health.notify` names gets a message that it is only a check.

    Args:
        environment: A file of config/environments.
    """
    began = time.monotonic()
    findings = Graph(known_secrets(environment)).run(tasks.check_connections)
    report = CheckReport(environment, tuple(findings), time.monotonic() - began)
    publish(report)
    if report.failed:
        message = "; ".join(f"{each.group} {each.where}: {each.said}" for each in report.failed)
        return Failed(message=message, data=report)
    return Completed(message=f"{len(findings)} connections", data=report)


def rows(report: CheckReport) -> list[dict[str, Any]]:
    """What fails first."""
    order = (Became.FAILED, Became.LATER, Became.OK)
    return [
        {
            "state": str(state(each)),
            "connection": each.group,
            "where": each.where,
            "key": each.probe,
            "what": each.said,
        }
        for each in sorted(report.findings, key=lambda each: order.index(state(each)))
    ]


def publish(report: CheckReport) -> None:
    key = report.environment.replace("_", "-")
    count = len(report.failed)
    said = f"Connections of {key}: {f'{count} fail' if count else 'none fails'}"
    recording.table(f"connections-{key}", rows(report), said)
