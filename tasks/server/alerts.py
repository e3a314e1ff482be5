"""Who hears of health: automations that hand events to Prefect's notification blocks."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from config.environment import Environment
from config.errors import RolloutError
from tasks.probes.health.record import CHECKED, PREFIX, resource

OWNED = "rollout: health of "
_KINDS = ("failed", "warned", "unknown", "recovered", "still-failing", "healed", "not-healed")


def health_alerts(
    client: SyncPrefectClient, environments: Mapping[str, Environment]
) -> list[AutomationCore]:
    """For each environment that names whom to notify: one for changes, one for silence.

    Raises:
        RolloutError: a block that health.notify names is not there.
    """
    found: list[AutomationCore] = []
    for name, blocks in notification_blocks(client, environments).items():
        found += [_changes(name, blocks), _silence(name, environments[name], blocks)]
    return found


def notification_blocks(
    client: SyncPrefectClient, environments: Mapping[str, Environment]
) -> dict[str, list[UUID]]:
    """The blocks of each environment that names whom to notify.

    Raises:
        RolloutError: a block that health.notify names is not there.
    """
    blocks = {
        slug: _block(client, name, slug)
        for name, environment in environments.items()
        for slug in environment.health.notify
    }
    return {
        name: [blocks[slug] for slug in environment.health.notify]
        for name, environment in environments.items()
        if environment.health.notify
    }


def _changes(name: str, blocks: list[UUID]) -> AutomationCore:
    return AutomationCore(
        name=OWNED + name,
        description="Tells what became of a probe; flapping is damped before that.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={PREFIX + kind for kind in _KINDS},
            match=_about(name),
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="{{ event.payload.subject }}",
                body="{{ event.payload.text }}",
            )
            for block in blocks
        ],
    )


def _silence(name: str, environment: Environment, blocks: list[UUID]) -> AutomationCore:
    """Without `for_each`: also an environment that never had a run is missed."""
    minutes = environment.health.missing_after_s / 60
    return AutomationCore(
        name=f"{OWNED}{name} is not checked",
        description="No health run reported for too long; repeated as long as that lasts.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            expect={CHECKED},
            match=_about(name),
            threshold=1,
            within=timedelta(seconds=environment.health.missing_after_s),
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject=f"{name}: no health run",
                body=f"No health run of {name} for {minutes:g} min.\n"
                f"do: is a worker up, and the schedule of health/{name} on?",
            )
            for block in blocks
        ],
    )


def _about(name: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.id": resource(name)})


def _block(client: SyncPrefectClient, environment: str, slug: str) -> UUID:
    kind, _, name = slug.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        raise RolloutError(
            f"config/environments/{environment}.toml: health.notify: no Prefect block {slug}; "
            "expected one that exists: create it in the UI under Blocks"
        ) from None
