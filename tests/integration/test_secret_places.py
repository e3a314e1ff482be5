"""Secrets are kept in one place, and a place that says something else stops the run."""

import stat
from collections.abc import Generator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks import secrets as blocks
from clients.node import LocalNode
from config.environment import Environment
from config.errors import StepError
from config.load import load_environment, load_release
from config.secrets import fingerprint
from tasks.core import secret_file, secret_places
from tasks.core.secrets import keep, open_secrets
from tasks.core.site import Site
from tasks.points import repository_access

RELEASE = load_release("1.15.0")
OLD, NEW = SecretStr("the-old-one"), SecretStr("the-new-one")


@pytest.fixture
def alone() -> Generator[None]:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


@pytest.fixture
def environment(tmp_path: Path, request: pytest.FixtureRequest) -> Environment:
    tree = load_environment("prod").model_dump()
    tree["name"] = f"kept-{abs(hash(request.node.name))}"
    tree["dify"]["home"] = tmp_path / "stack"
    return Environment.model_validate(tree)


def opened(environment: Environment, *, save: bool = True) -> dict[str, SecretStr]:
    return open_secrets(environment, RELEASE, LocalNode(), save=save)


def stack(environment: Environment, **keys: SecretStr) -> None:
    lines = [f"{key.upper()}={value.get_secret_value()}\n" for key, value in keys.items()]
    environment.dify.home.mkdir(exist_ok=True)
    (environment.dify.home / ".env").write_text("".join(lines))


def test_an_old_block_does_not_overrule_what_runs(prefect: str, environment: Environment) -> None:
    blocks.save(environment.name, {"secret_key": OLD})
    stack(environment, secret_key=NEW)
    for save in (False, True):
        with pytest.raises(StepError) as stopped:
            opened(environment, save=save)
        said = str(stopped.value)
        assert f"block (dify-secrets/{blocks.block_name(environment.name)} on {prefect})" in said
        for value in (OLD, NEW):
            assert fingerprint("secret_key", value) in said
            assert value.get_secret_value() not in said
        assert f"rollout secrets {environment.name} --keep PLACE" in said
    assert blocks.load(environment.name).values == {"secret_key": OLD}


@pytest.mark.parametrize("right", [OLD, NEW])
def test_what_somebody_decided_counts(
    prefect: str, environment: Environment, right: SecretStr
) -> None:
    blocks.save(environment.name, {"secret_key": OLD})
    stack(environment, secret_key=NEW)
    secret_places.decide(environment, RELEASE, LocalNode(), {"secret_key": right})
    assert opened(environment)["secret_key"] == right
    stack(environment, secret_key=right)
    assert opened(environment)["secret_key"] == right


def test_a_decision_is_about_one_value_on_the_machine(
    prefect: str, environment: Environment
) -> None:
    stack(environment, secret_key=OLD)
    opened(environment)
    secret_places.decide(environment, RELEASE, LocalNode(), {"secret_key": NEW})
    stack(environment, secret_key=SecretStr("a third one"))
    with pytest.raises(StepError, match="more than one value of secret_key"):
        opened(environment)


def test_a_restored_secret_is_decided(prefect: str, environment: Environment) -> None:
    """A restore that is killed before `.env` is written goes on at the next run."""
    stack(environment, secret_key=OLD)
    site = Site(environment, RELEASE, opened(environment))
    keep(site, {"secret_key": NEW})
    assert opened(environment)["secret_key"] == NEW


def test_without_a_server_a_first_deploy_keeps_them_in_a_file(
    alone: None, environment: Environment
) -> None:
    first = opened(environment)
    file = secret_file.path(environment)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert opened(environment) == first
    stack(environment, secret_key=OLD)
    with pytest.raises(StepError, match=r"secrets\.json\) .*stack .*\.env\) "):
        opened(environment)


def test_a_plan_without_a_server_keeps_nothing(alone: None, environment: Environment) -> None:
    opened(environment, save=False)
    assert not environment.dify.home.exists()


def test_without_a_server_the_stack_is_what_is_known(
    prefect: str, environment: Environment
) -> None:
    values = opened(environment)
    named = {
        key: values[name]
        for group in RELEASE.env.values()
        for key, template in group.items()
        for name in values
        if template == "{{ secret." + name + " }}"
    }
    stack(environment, **named)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert opened(environment) == values
    assert not secret_file.path(environment).exists()


def test_a_server_takes_over_what_the_file_kept(prefect: str, environment: Environment) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        first = opened(environment)
    assert opened(environment) == first
    assert blocks.load(environment.name).values == first
    secret_places.decide(environment, RELEASE, LocalNode(), {"secret_key": NEW})
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert opened(environment)["secret_key"] == NEW


def test_the_password_of_backups_follows_the_same_rule(
    prefect: str, environment: Environment
) -> None:
    site = Site(environment, RELEASE, {})
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert repository_access.load(site) is None
        made = repository_access.BackupRepository(password=OLD, initialised="/points")
        repository_access.save(site, made)
        found = repository_access.load(site)
        assert found and (found.password, found.initialised) == (OLD, "/points")
    assert found == repository_access.load(site)
    repository_access.save(site, found.model_copy(update={"password": NEW}))
    with pytest.raises(StepError, match="two passwords of its backup repository") as stopped:
        repository_access.load(site)
    assert NEW.get_secret_value() not in str(stopped.value)


@pytest.mark.parametrize("name", [".env", "secrets.json"])
def test_foreign_bytes_are_a_sentence(alone: None, environment: Environment, name: str) -> None:
    environment.dify.home.mkdir()
    (environment.dify.home / name).write_bytes(b"SECRET_KEY=\xff\xfe\n")
    with pytest.raises(StepError, match=r"is not UTF-8|is damaged"):
        opened(environment)
