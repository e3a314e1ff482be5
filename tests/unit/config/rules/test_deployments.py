"""Every flow of prefect.yaml for every environment, also for one the file does not name."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from config.environment import Environment
from config.load import ROOT, environment_names, load_environment
from config.rules.deployments import Deployment, Schedule, deployments

NIGHTLY = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}


def entry(environment: str, **more: Any) -> dict[str, Any]:
    return {
        "name": environment,
        "entrypoint": "flows/deploy.py:deploy",
        "work_pool": {"name": "pool"},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "description": "Make it\n  so.\n",
        "tags": [environment, "changes"],
        "parameters": {"environment": environment},
        **more,
    }


def environment(name: str, pattern: str, **more: Any) -> Environment:
    tree = load_environment(pattern).model_dump()
    return Environment.model_validate({**tree, "name": name, **more})


DOCUMENT = {
    "deployments": [
        entry("sandbox"),
        entry("staging"),
        entry("prod", schedules=[NIGHTLY]),
    ]
}


def test_a_listed_deployment_is_as_the_file_says() -> None:
    [found] = deployments(DOCUMENT, {"prod": environment("prod", "prod")})
    assert found == Deployment(
        name="prod",
        entrypoint="flows/deploy.py:deploy",
        pool="pool",
        description="Make it so.",
        tags=("prod", "changes"),
        parameters={"environment": "prod"},
        schedules=(Schedule("0 3 * * *", "Europe/Berlin"),),
        at_once="ENQUEUE",
        changes=True,
    )


def test_runs_are_known_by_tags_that_no_file_has_to_name() -> None:
    found = deployments(DOCUMENT, {name: environment(name, name) for name in ("sandbox", "prod")})
    assert [each.all_tags for each in found] == [
        ("sandbox", "changes", "dify-rollout", "on-demand"),
        ("prod", "changes", "dify-rollout", "scheduled"),
    ]


@pytest.mark.parametrize(
    ("pattern", "more", "schedules"),
    [
        ("sandbox", {}, 0),
        ("staging", {}, 0),
        ("prod", {}, 1),
        ("staging", {"protected": True}, 1),
    ],
)
def test_a_new_environment_gets_the_deployments_of_the_one_most_like_it(
    pattern: str, more: dict[str, Any], schedules: int
) -> None:
    [found] = deployments(DOCUMENT, {"acme": environment("acme", pattern, **more)})
    assert (found.name, found.environment, found.tags) == ("acme", "acme", ("acme", "changes"))
    assert len(found.schedules) == schedules


def test_a_flow_of_all_environments_has_one_deployment() -> None:
    document = {"deployments": [{**entry(""), "name": "all", "parameters": {}}]}
    [found] = deployments(document, {"acme": environment("acme", "prod")})
    assert (found.name, found.environment) == ("all", "")


def test_an_environment_without_a_file_has_no_deployment() -> None:
    assert deployments(DOCUMENT, {}) == []


def test_every_flow_that_changes_an_environment_shares_its_limit() -> None:
    """What only looks (verify makes and removes things, so it changes) may run beside it."""
    document = YAML(typ="safe").load(ROOT / "prefect.yaml")
    found = deployments(document, {n: load_environment(n) for n in environment_names()})
    assert {d.environment for d in found} == {"", *environment_names()}
    assert [d.name for d in found if not d.environment] == ["all"]
    by_flow = {d.entrypoint.split(":")[1]: d.changes for d in found}
    assert by_flow["deploy"]
    assert by_flow["verify"]
