"""What the server watches for by itself: runs whose worker died."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from tasks.step import Change

HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "Cancelling", "Suspended", "Paused")
SILENT = timedelta(seconds=90)
DEAD_WORKER = AutomationCore(
    name="rollout: runs whose worker died are crashed",
    description="A run that stops sending heartbeats and does not end has lost its process. "
    "Its lock is free by then: run it again and it finishes the job.",
    trigger=EventTrigger(
        posture=Posture.Proactive,
        after={HEARTBEAT},
        expect={HEARTBEAT, *(f"prefect.flow-run.{end}" for end in ENDS)},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        threshold=1,
        within=SILENT,
    ),
    actions=[  # pyright: ignore[reportArgumentType]
        ChangeFlowRunState(
            name="Crashed",
            state=StateType.CRASHED,
            force=False,
            message="Its worker died: no heartbeat for 90 s. Run it again, it resumes.",
        )
    ],
)


@dataclass(frozen=True, slots=True)
class Automations:
    """Each wanted automation is there once, as it should be; others are left alone."""

    client: SyncPrefectClient
    wanted: tuple[AutomationCore, ...]
    name: str = "automations"
    settle_s: float = 0.0

    def observe(self) -> dict[str, list[AutomationCore]]:
        names = {automation.name for automation in self.wanted}
        found: dict[str, list[AutomationCore]] = {name: [] for name in names}
        for automation in self.client.read_automations():
            if automation.name in names:
                found[automation.name].append(automation)
        return found

    def plan(self, actual: dict[str, list[AutomationCore]]) -> Sequence[Change]:
        changes: list[Change] = []
        for wanted in self.wanted:
            have = actual.get(wanted.name, [])
            if not have:
                changes.append(Change(f"create automation {wanted.name!r}", "absent", "", wanted))
            elif len(have) > 1 or not _same(have[0], wanted):
                changes.append(Change(f"replace automation {wanted.name!r}", "other", "", wanted))
        return changes

    def apply(self, change: Change) -> None:
        wanted: AutomationCore = change.action
        for old in self.client.read_automations_by_name(wanted.name):
            self.client.delete_automation(old.id)
        self.client.create_automation(wanted)


def _same(have: AutomationCore, want: AutomationCore) -> bool:
    """Whether the server has what was sent; it adds ids and whether somebody paused it."""
    keys = {"description", "trigger", "actions", "actions_on_trigger", "actions_on_resolve"}
    left, right = (x.model_dump(include=keys) for x in (have, want))
    for found in (left, right):
        found["trigger"].pop("id", None)
    return left == right
