"""What the server watches for by itself: runs whose worker died, backups that did not run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from config.rules.deployments import OURS
from config.rules.heartbeat import SILENT_S
from tasks.core.step import Change, Kind

HEARTBEAT = "prefect.flow-run.heartbeat"


def related_to_tag(tag: str) -> ResourceSpecification:
    """Events of runs that have the tag."""
    return ResourceSpecification(
        {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{tag}"}
    )


DEAD_WORKER = AutomationCore(
    name="rollout: runs whose worker died are crashed",
    description="A run that stops sending heartbeats and does not end has lost its process. "
    "Its lock is free by then: run it again and it finishes the job.",
    trigger=EventTrigger(
        posture=Posture.Proactive,
        after={HEARTBEAT},
        expect={"prefect.flow-run.*"},
        match=ResourceSpecification(
            # Prefect's own heartbeats name no state; they come too seldom to wait for the next.
            {"prefect.resource.id": "prefect.flow-run.*", "prefect.state-type": "*"}
        ),
        match_related=related_to_tag(OURS),
        for_each={"prefect.resource.id"},
        threshold=1,
        within=timedelta(seconds=SILENT_S),
    ),
    actions=[  # pyright: ignore[reportArgumentType]
        ChangeFlowRunState(
            name="Crashed",
            state=StateType.CRASHED,
            force=False,
            message=f"no heartbeat for {SILENT_S:g} s: its process died, or cannot reach this "
            "server. Run it again, it resumes.",
        )
    ],
)


def missed_backup(environment: str, window: timedelta, backup: UUID, watch: UUID) -> AutomationCore:
    """Where no run of the deployment `backup` ended well in time, `watch` looks and tells.

    It is the server that waits: a schedule that was paused, or a worker that is gone, is noticed.
    """
    return AutomationCore(
        name=f"rollout: no backup of {environment}",
        description=f"Starts watch/{environment}, which fails if there is no fresh restore point.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            expect={"prefect.flow-run.Completed"},
            match_related=ResourceSpecification(
                {
                    "prefect.resource.role": "deployment",
                    "prefect.resource.id": f"prefect.deployment.{backup}",
                }
            ),
            threshold=1,
            within=window,
        ),
        actions=[  # pyright: ignore[reportArgumentType]
            RunDeployment(
                source="selected", deployment_id=watch, parameters=None, job_variables=None
            )
        ],
    )


@dataclass(frozen=True, slots=True)
class Automations:
    """Each wanted automation is there once, as it should be.

    Others are left alone, but for those whose names begin with `owned`: they are of environments
    that are no more, or tell nobody any more.
    """

    client: SyncPrefectClient
    wanted: tuple[AutomationCore, ...]
    owned: str = ""
    name: str = "automations"
    settle_s: float = 0.0

    def observe(self) -> dict[str, list[AutomationCore]]:
        names = {automation.name for automation in self.wanted}
        found: dict[str, list[AutomationCore]] = {name: [] for name in names}
        for automation in self.client.read_automations():
            if automation.name in names or self._owns(automation.name):
                found.setdefault(automation.name, []).append(automation)
        return found

    def _owns(self, name: str) -> bool:
        return bool(self.owned) and name.startswith(self.owned)

    def plan(self, actual: dict[str, list[AutomationCore]]) -> Sequence[Change]:
        names = {wanted.name for wanted in self.wanted}
        changes = [
            Change(Kind.REMOVE, name, f"delete automation {name!r}", "there", "absent", name)
            for name in actual
            if name not in names
        ]
        for wanted in self.wanted:
            have, name = actual.get(wanted.name, []), wanted.name
            if not have:
                what = f"create automation {name!r}"
                changes.append(Change(Kind.MAKE, name, what, "absent", "", wanted))
            elif len(have) > 1 or not _same(have[0], wanted):
                what = f"replace automation {name!r}"
                changes.append(Change(Kind.CHANGE, name, what, "other", "", wanted))
        return changes

    def apply(self, change: Change) -> None:
        wanted: AutomationCore | str = change.action
        name = wanted if isinstance(wanted, str) else wanted.name
        for old in self.client.read_automations_by_name(name):
            self.client.delete_automation(old.id)
        if not isinstance(wanted, str):
            self.client.create_automation(wanted)


@dataclass(frozen=True, slots=True)
class MissedBackups:
    """Every environment that is backed up on a schedule is waited for."""

    client: SyncPrefectClient
    windows: Mapping[str, timedelta]
    name: str = "automations"
    settle_s: float = 0.0

    def observe(self) -> dict[str, list[AutomationCore]]:
        return self._automations().observe()

    def plan(self, actual: dict[str, list[AutomationCore]]) -> Sequence[Change]:
        return self._automations().plan(actual)

    def apply(self, change: Change) -> None:
        self._automations().apply(change)

    def _automations(self) -> Automations:
        """Before the deployments exist, in a dry run, theirs is an id nobody has."""
        wanted = [
            missed_backup(name, window, self._id("backup", name), self._id("watch", name))
            for name, window in self.windows.items()
        ]
        return Automations(self.client, tuple(wanted))

    def _id(self, flow: str, environment: str) -> UUID:
        try:
            return self.client.read_deployment_by_name(f"{flow}/{environment}").id
        except ObjectNotFound:
            return UUID(int=0)


def _same(have: AutomationCore, want: AutomationCore) -> bool:
    """Whether the server has what was sent; it adds ids and whether somebody paused it."""
    keys = {"description", "trigger", "actions", "actions_on_trigger", "actions_on_resolve"}
    left, right = (x.model_dump(include=keys) for x in (have, want))
    for found in (left, right):
        found["trigger"].pop("id", None)
    return left == right
