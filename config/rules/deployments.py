"""Which Prefect deployments there are: every flow of prefect.yaml, mostly for every environment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from config.environment import Environment

# Tags of every run, by which the server's automations know those of this project.
OURS = "dify-rollout"
SCHEDULED = "scheduled"
ON_DEMAND = "on-demand"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a deployment runs by itself."""

    cron: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """One flow of one environment, or of all of them.

    `at_once`: what a run does while another one of the deployment goes on: ENQUEUE | CANCEL_NEW.
    `changes`: it changes the environment, so no other that does may run beside it.
    """

    name: str
    entrypoint: str
    pool: str
    description: str
    tags: tuple[str, ...]
    parameters: Mapping[str, Any]
    schedules: tuple[Schedule, ...]
    at_once: str
    changes: bool

    @property
    def flow(self) -> str:
        return self.entrypoint.rpartition(":")[2]

    @property
    def all_tags(self) -> tuple[str, ...]:
        return (*self.tags, OURS, SCHEDULED if self.schedules else ON_DEMAND)

    @property
    def environment(self) -> str:
        """Empty for a flow that visits all."""
        return str(self.parameters.get("environment", ""))


def deployments(
    document: Mapping[str, Any], environments: Mapping[str, Environment]
) -> list[Deployment]:
    """Those that `document`, the content of prefect.yaml, lists; and for an environment it does
    not name, the same as for the environment that is most like it.

    A protected environment is like `prod`, a sandbox like `sandbox`, any other like `staging`.
    """
    listed = [_deployment(entry) for entry in document["deployments"]]
    named = {found.environment for found in listed}
    made = [
        _for(name, found)
        for name, environment in environments.items()
        if name not in named
        for found in listed
        if found.environment == _like(environment)
    ]
    wanted = {"", *environments}
    return [found for found in listed if found.environment in wanted] + made


def _like(environment: Environment) -> str:
    if environment.protected:
        return "prod"
    return "sandbox" if environment.platform.kind == "sandbox" else "staging"


def _for(name: str, pattern: Deployment) -> Deployment:
    own = tuple(name if tag == pattern.environment else tag for tag in pattern.tags)
    parameters = {**pattern.parameters, "environment": name}
    return replace(pattern, name=name, tags=own, parameters=parameters)


def _deployment(entry: Mapping[str, Any]) -> Deployment:
    return Deployment(
        name=entry["name"],
        entrypoint=entry["entrypoint"],
        pool=entry["work_pool"]["name"],
        description=" ".join(str(entry.get("description", "")).split()),
        tags=tuple(entry.get("tags", ())),
        parameters=dict(entry.get("parameters", {})),
        schedules=tuple(
            Schedule(found["cron"], found.get("timezone", "UTC"))
            for found in entry.get("schedules", ())
        ),
        at_once=entry["concurrency_limit"]["collision_strategy"],
        changes="changes" in entry.get("tags", ()),
    )
