"""Who hears of runs that fail: automations that hand their last state to notification blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.utilities.urls import url_for

from blocks.events import Event, emit, relations
from config.environment import Environment
from config.rules.deployments import ON_DEMAND, SCHEDULED, Deployment
from config.rules.heartbeat import ALIVE
from tasks.core.step import Change
from tasks.server.alerts import notification_blocks
from tasks.server.automations import Automations, related_to_tag

OWNED = "rollout: failed runs of "
# Health tells of itself, probe by probe; what only lists or asks is answered where it was started.
FLOWS = (
    *("deploy", "upgrade", "rollback", "switch", "rehearsal", "verify"),
    *("backup", "restore", "drill", "images", "watch"),
)
BAD = frozenset(f"prefect.flow-run.{name}" for name in ("Failed", "Crashed", "TimedOut"))
GOOD = "prefect.flow-run.Completed"
WATCHED = "rollout.schedule.watched"
AS_LONG_AS_IT_TAKES = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class FailureAlerts:
    """Each environment that names whom to notify has its three automations.

    A failed run is told; of a schedule only the first one after a good one, or the first at all.
    """

    client: SyncPrefectClient
    environments: Mapping[str, Environment]
    deployments: Sequence[Deployment]
    name: str = "automations"
    settle_s: float = 0.0

    def observe(self) -> dict[str, list[AutomationCore]]:
        return self._automations().observe()

    def plan(self, actual: dict[str, list[AutomationCore]]) -> Sequence[Change]:
        return self._automations().plan(actual)

    def apply(self, change: Change) -> None:
        self._automations().apply(change)
        if isinstance(change.action, AutomationCore) and WATCHED in change.action.trigger.after:  # pyright: ignore
            self._watch(change.action.name)

    def _automations(self) -> Automations:
        blocks = notification_blocks(self.client, self.environments)
        wanted = [
            automation
            for name, found in blocks.items()
            for automation in (_each(name, found), _first(name, found), _alive(name, found))
        ]
        return Automations(self.client, tuple(wanted), owned=OWNED)

    def _watch(self, automation: str) -> None:
        """Open the wait for a first failure, which otherwise a good run does."""
        emit(
            _watched(found, self.client.read_deployment_by_name(f"{found.flow}/{found.name}").id)
            for found in self.deployments
            if found.schedules and automation == _by_schedule(found.environment)
        )


def _each(name: str, blocks: list[UUID]) -> AutomationCore:
    return AutomationCore(
        name=OWNED + name,
        description="Tells each failed run that no schedule started.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect=set(BAD),
            match_related=[related_to_tag(name), related_to_tag(ON_DEMAND), _FLOWS],
            threshold=1,
            within=timedelta(0),
        ),
        actions=_ended(name, blocks),  # pyright: ignore[reportArgumentType]
    )


def _first(name: str, blocks: list[UUID]) -> AutomationCore:
    """The server waits for a failure `after` a good run, and no more once it has come."""
    return AutomationCore(
        name=_by_schedule(name),
        description="Tells the first failed run of a schedule, until one is well again.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            after={GOOD, WATCHED},
            expect=set(BAD),
            match_related=[related_to_tag(name), related_to_tag(SCHEDULED), _FLOWS],
            for_each={"related:deployment:prefect.resource.id"},
            threshold=1,
            within=AS_LONG_AS_IT_TAKES,
        ),
        actions=_ended(name, blocks, "It is told again when a run was well in between.\n"),  # pyright: ignore[reportArgumentType]
    )


def _alive(name: str, blocks: list[UUID]) -> AutomationCore:
    return AutomationCore(
        name=f"{OWNED}{name} that go on",
        description="Takes back that a run crashed: it could not reach the server, and now can.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={f"prefect.flow-run.{ALIVE}"},
            match_related=[related_to_tag(name), _FLOWS],
            threshold=1,
            within=timedelta(0),
        ),
        actions=_notify(blocks, f"{name}: {{{{ flow.name }}}} is alive", ""),  # pyright: ignore[reportArgumentType]
    )


def _ended(name: str, blocks: list[UUID], note: str = "") -> list[SendNotification]:
    subject = f"{name}: {{{{ flow.name }}}} {{{{ flow_run.state.name | lower }}}}"
    return _notify(blocks, subject, note)


def _notify(blocks: list[UUID], subject: str, note: str) -> list[SendNotification]:
    link = url_for("flow-run", obj_id="RUN") or ""
    body = "{{ flow_run.state.message }}\n" + note
    body += "run: {{ flow_run.name }}\n" + link.replace("RUN", "{{ flow_run.id }}")
    return [
        SendNotification(block_document_id=block, subject=subject, body=body) for block in blocks
    ]


def _by_schedule(name: str) -> str:
    return f"{OWNED}{name} by schedule"


def _watched(found: Deployment, identity: UUID) -> Event:
    name = f"rollout.schedule.{found.flow}.{found.name}"
    about = relations(flow=found.flow, deployment=str(identity), tags=found.all_tags)
    return Event(WATCHED, name, {}, {}, about)


_FLOWS = ResourceSpecification(
    {"prefect.resource.role": "flow", "prefect.resource.name": list(FLOWS)}
)
