"""The deployments of prefect.yaml exist on the server, for every environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from config.load import ROOT
from config.rules.deployments import Deployment
from tasks.core.step import Change, Kind

GRACE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deployment with the flow it runs and the form the UI shows."""

    deployment: Deployment
    flow: str
    form: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.flow}/{self.deployment.name}"


@dataclass(frozen=True, slots=True)
class Deployments:
    """Each wanted deployment is as prefect.yaml says; others on the server are left alone.

    What changes an environment shares one limit of one run at a time; later ones wait. A schedule
    that somebody paused in the UI stays paused.
    """

    client: SyncPrefectClient
    wanted: tuple[Wanted, ...]
    name: str = "deployments"
    settle_s: float = 0.0

    def observe(self) -> dict[str, dict[str, Any]]:
        """Name → what counts of the deployment."""
        flows = {flow.id: flow.name for flow in self.client.read_flows()}
        found: dict[str, dict[str, Any]] = {}
        offset = 0
        while page := self.client.read_deployments(limit=200, offset=offset):
            found |= {f"{flows.get(d.flow_id)}/{d.name}": _seen(d) for d in page}
            offset += len(page)
        return found

    def plan(self, actual: dict[str, dict[str, Any]]) -> Sequence[Change]:
        changes: list[Change] = []
        for wanted in self.wanted:
            want, have = _want(wanted), actual.get(wanted.name)
            if have is None:
                changes.append(
                    Change(
                        Kind.MAKE,
                        wanted.name,
                        f"create deployment {wanted.name}",
                        "absent",
                        "",
                        wanted,
                    )
                )
                continue
            for key, value in want.items():
                if have[key] != value:
                    what = f"change {key} of deployment {wanted.name}"
                    changes.append(
                        Change(
                            Kind.CHANGE,
                            f"{key} of {wanted.name}",
                            what,
                            _short(have[key]),
                            _short(value),
                            wanted,
                        )
                    )
        return changes

    def apply(self, change: Change) -> None:
        wanted: Wanted = change.action
        deployment = wanted.deployment
        identity = self.client.create_deployment(
            flow_id=self.client.create_flow_from_name(wanted.flow),
            name=deployment.name,
            path=str(ROOT),
            entrypoint=deployment.entrypoint,
            work_pool_name=deployment.pool,
            description=deployment.description,
            tags=list(deployment.all_tags),
            parameters=dict(deployment.parameters),
            parameter_openapi_schema=wanted.form,
            enforce_parameter_schema=True,
            schedules=[
                DeploymentScheduleCreate(
                    schedule=CronSchedule(cron=found.cron, timezone=found.timezone)
                )
                for found in deployment.schedules
            ],
            concurrency_limit=1,
            concurrency_options=ConcurrencyOptions(
                collision_strategy=ConcurrencyLimitStrategy(deployment.at_once),
                grace_period_seconds=int(GRACE.total_seconds()),
            ),
            pull_steps=[_pull()],
        )
        if deployment.changes:
            self._share_limit(identity, deployment.environment)

    def _share_limit(self, identity: Any, environment: str) -> None:
        name = limit_name(environment)
        self.client.upsert_global_concurrency_limit_by_name(name=name, limit=1)
        limit = self.client.read_global_concurrency_limit_by_name(name)
        self.client.request(
            "PATCH",
            "/deployments/{id}",
            path_params={"id": identity},
            json={"global_concurrency_limit_id": str(limit.id)},
        )


def limit_name(environment: str) -> str:
    """The server's limit that all runs which change the environment share."""
    return f"rollout-{environment}"


def wanted(deployment: Deployment) -> Wanted:
    """The deployment with its flow's form, in which the environment cannot be changed."""
    flow: Flow[..., Any] = load_flow_from_entrypoint(str(ROOT / deployment.entrypoint))
    form = parameter_schema(flow).model_dump(mode="json")
    if own := deployment.environment:
        form["properties"]["environment"] |= {"enum": [own], "readOnly": True}
    return Wanted(deployment, flow.name, form)


def _pull() -> dict[str, Any]:
    return {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}


def _want(wanted: Wanted) -> dict[str, Any]:
    deployment = wanted.deployment
    limit = limit_name(deployment.environment) if deployment.changes else None
    return {
        "entrypoint": deployment.entrypoint,
        "path": str(ROOT),
        "pool": deployment.pool,
        "description": deployment.description,
        "tags": sorted(deployment.all_tags),
        "parameters": dict(deployment.parameters),
        "form": wanted.form,
        "schedules": sorted([s.cron, s.timezone] for s in deployment.schedules),
        "at_once": deployment.at_once,
        "shared limit": limit,
    }


def _seen(found: DeploymentResponse) -> dict[str, Any]:
    options, limit = found.concurrency_options, found.global_concurrency_limit
    return {
        "entrypoint": found.entrypoint,
        "path": found.path,
        "pool": found.work_pool_name,
        "description": found.description or "",
        "tags": sorted(found.tags),
        "parameters": found.parameters,
        "form": found.parameter_openapi_schema,
        "schedules": sorted(_cron(schedule.schedule) for schedule in found.schedules),
        "at_once": str(options.collision_strategy.value) if options else "",
        "shared limit": limit.name if limit and limit.name.startswith("rollout-") else None,
    }


def _cron(schedule: Any) -> list[str]:
    return [str(getattr(schedule, "cron", schedule)), str(getattr(schedule, "timezone", ""))]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - a table's cell
