"""What the command line can do, a deployment in the Prefect UI can do, under the same names."""

from collections.abc import Mapping
from typing import Any

import pytest
from prefect.flows import load_flow_from_entrypoint
from ruamel.yaml import YAML

from config.load import ROOT, environment_names, load_environment
from config.rules.deployments import deployments
from tasks.server.deployments import wanted
from tests.unit.command_line import COMMANDS

# Commands that have no flow of their own name.
FLOWS = {
    "plan": ("deploy", {"dry_run": True}),
    "promote": ("deploy", {}),
    "backup list": ("points", {}),
    "backup check": ("points", {"check": True}),
    **{
        name: ("images", {"action": name.removeprefix("images ")})
        for name in COMMANDS
        if name.startswith("images ")
    },
}
# A promotion to a newer release.
ALSO = {"promote": "upgrade"}
RENAMED = {("promote", "source"): "promote_from", ("health", "environments"): "environment"}
NOT_IN_THE_UI = {
    "sandbox": "starts the very server and worker that have the UI",
    "server setup": "creates the deployments",
    "down": "stops, in a sandbox, the server that has the UI",
    "secrets": "a secret is never a parameter; the UI has Blocks for them",
    "server blocks": "the UI's Blocks page; a secret is never a parameter",
    "release check": "reads a file of the checkout that somebody writes, beside images at hand",
    "release draft": "writes a file of the checkout, from a folder of the machine it is typed on",
    "support": "writes a file to attach to a report, where it is typed",
    "history": "the UI's Runs page, and the labels of each run",
}
NO_OPTION = {
    "approved_plan": "a terminal shows the plan and asks",
    "confirm": "a terminal asks for the environment's name, or --yes says it",
    "record": "a terminal looks once; the schedule keeps what it found",
    "scheduled": "only the schedule is one",
}
NO_PARAMETER = {
    "json": "how a terminal prints it; the UI has artifacts",
    "yes": "the UI asks by suspending the run, or for the environment's name",
    "watch": "the schedule looks again",
    "every": "the schedule says when",
    "rehearse": "a deployment of its own, rehearsal/ENV",
    "every_one": "the deployment fleet/all asks all of them",
    "at_once": "the deployment fleet/all has it",
}


def forms() -> Mapping[tuple[str, str], Any]:
    """(flow, environment) → the form of each deployment."""
    document = YAML(typ="safe").load(ROOT / "prefect.yaml")
    found = deployments(document, {name: load_environment(name) for name in environment_names()})
    made = [wanted(each) for each in found]
    return {(each.flow, each.deployment.environment): each.form["properties"] for each in made}


FORMS = forms()
ASKED = [name for name in COMMANDS if name not in NOT_IN_THE_UI]


@pytest.mark.parametrize("command", ASKED)
def test_a_command_is_a_deployment_of_every_environment(command: str) -> None:
    flow, fixed = FLOWS.get(command, (command, {}))
    for environment in [""] if (flow, "") in FORMS else environment_names():
        properties = FORMS[flow, environment]
        for name, value in fixed.items():
            taken = properties[name]
            assert taken.get("type") == "boolean" or value in taken["enum"]


@pytest.mark.parametrize("command", ASKED)
def test_an_option_is_a_parameter_of_the_same_name(command: str) -> None:
    flow, _ = FLOWS.get(command, (command, {}))
    [properties, *_] = [form for (name, _), form in FORMS.items() if name == flow]
    names = {parameter.name for parameter in COMMANDS[command].params} - set(NO_PARAMETER)
    asked = {RENAMED.get((command, name), name) for name in names}
    assert asked - set(properties) == set()


@pytest.mark.parametrize("flow", sorted({FLOWS.get(name, (name, {}))[0] for name in ASKED}))
def test_a_parameter_is_an_option_of_a_command(flow: str) -> None:
    [properties, *_] = [form for (name, _), form in FORMS.items() if name == flow]
    given = {
        name
        for command in ASKED
        for of, fixed in [FLOWS.get(command, (command, {})), (ALSO.get(command, ""), {})]
        if of == flow
        for name in [
            *fixed,
            *(RENAMED.get((command, str(p.name)), p.name) for p in COMMANDS[command].params),
        ]
    }
    lacking = set(properties) - given - set(NO_OPTION)
    assert lacking == set(), "no option of the command in cli/main.py"


def test_exceptions_are_still_needed() -> None:
    assert set(NOT_IN_THE_UI) <= set(COMMANDS)
    names = {parameter.name for name in COMMANDS for parameter in COMMANDS[name].params}
    assert set(NO_PARAMETER) <= names
    assert set(NO_OPTION) <= {name for form in FORMS.values() for name in form}


def test_no_parameter_of_a_form_takes_a_secret() -> None:
    said = {name for form in FORMS.values() for name in form}
    assert not [name for name in said if any(w in name for w in ("password", "secret", "token"))]


def test_every_flow_has_a_description_for_each_parameter() -> None:
    """The UI shows them beside the fields."""
    missing = {
        f"{flow}.{name}"
        for (flow, _), form in FORMS.items()
        for name, field in form.items()
        if not field.get("description")
    }
    assert missing == set()


def test_every_flow_of_prefect_yaml_loads() -> None:
    document = YAML(typ="safe").load(ROOT / "prefect.yaml")
    for entry in document["deployments"]:
        assert load_flow_from_entrypoint(str(ROOT / entry["entrypoint"])).description
