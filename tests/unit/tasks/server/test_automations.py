"""What the server waits for, from the one constant that says how often a run is heard of."""

import pytest
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import RelatedResource, Resource

from blocks.events import relations
from config.rules.deployments import OURS
from config.rules.heartbeat import HEARTBEAT_S, SILENT_S
from tasks.server.automations import DEAD_WORKER

TRIGGER = EventTrigger.model_validate(DEAD_WORKER.trigger.model_dump(mode="json"))


def test_a_run_counts_as_dead_after_three_missed_heartbeats_or_more() -> None:
    assert SILENT_S >= 3 * HEARTBEAT_S
    assert TRIGGER.within.total_seconds() == SILENT_S


@pytest.mark.parametrize("state", ["Completed", "Ok", "Warn", "StillAlive", "Suspended"])
def test_any_state_is_a_sign_of_life(state: str) -> None:
    assert TRIGGER.expects(f"prefect.flow-run.{state}")


@pytest.mark.parametrize(
    ("tags", "labels", "watched"),
    [
        ([OURS, "prod"], {"prefect.state-type": "RUNNING"}, True),
        ([OURS, "prod"], {}, False),  # Prefect's own heartbeat
        (["prod"], {"prefect.state-type": "RUNNING"}, False),  # another project's run
    ],
)
def test_only_runs_of_this_project_are_watched(
    tags: list[str], labels: dict[str, str], watched: bool
) -> None:
    resource = Resource({"prefect.resource.id": "prefect.flow-run.1", **labels})
    related = [RelatedResource(found) for found in relations(flow="deploy", tags=tags)]
    assert TRIGGER.covers_resources(resource, related) is watched
