"""Ask every part of an environment how it is. Changes nothing of the environment itself."""

from itertools import chain
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from config.rules.finding import Finding
from flows.parts.graph import Graph
from flows.parts.health_report import publish
from flows.parts.opening import read_only
from flows.parts.run import recorded
from tasks.core.site import Site
from tasks.probes import tasks
from tasks.probes.health.ask import Checkup, Round, ask
from tasks.probes.health.record import last


@flow(name="health", flow_run_name="health {environment}", persist_result=False)
@recorded
def health(environment: str, record: bool = True) -> State[Any]:
    """Ask every part of the environment how it is; nothing is changed.

    Args:
        environment: A file of config/environments.
        record: Remember the answers, and tell people what changed.
    """
    seen = looked(read_only(environment), record=record)
    publish(seen)
    bad = [finding.probe for finding in seen.findings if finding.at_fault]
    return Completed(
        name=str(seen.status).capitalize(),
        message=f"{seen.status}: {', '.join(bad) or 'everything'}",
        data=seen,
    )


def looked(site: Site, *, record: bool) -> Checkup:
    """What was found, its groups asked side by side."""
    graph, kept = Graph(site), last(site)

    def answers(going: Round) -> list[Finding]:
        found = graph.each(tasks.ask_group, going.groups, going=going)
        return list(chain.from_iterable(found))

    seen = ask(site, kept.record, answers)
    return graph.run(tasks.record_health, kept=kept, seen=seen) if record else seen
