"""The committed files: complete, commented, and rendering everywhere."""

import tomllib

import pytest

from config.desired import env_file
from config.desired.stack import stack_files
from config.environment import Environment
from config.environment.moved import MOVED
from config.load import (
    ENVIRONMENTS,
    RELEASES,
    environment_names,
    load_environment,
    load_release,
    release_names,
)
from config.messages import known_keys
from config.secrets import generate

HOSTS = "platform.kind = 'external'\npostgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n"
BASE = (ENVIRONMENTS / "base.toml").read_text(encoding="utf-8")


# 128: postgres.ca, without which a certificate cannot be verified.
# 129: upgrade.way_back: databases of others in a cluster go back only where somebody chose so.
MOST_KEYS = 129


def keys(tree):
    """A table in a section is one key: it has one line."""
    for name, value in tree.items():
        yield from ([f"{name}.{key}" for key in value] if isinstance(value, dict) else [name])


def test_base_holds_every_key_of_an_environment():
    assert set(keys(tomllib.loads(BASE))) == set(known_keys(Environment)) - {"name"}


def test_the_surface_stays_small():
    assert len(set(known_keys(Environment)) - {"name"}) <= MOST_KEYS


@pytest.mark.parametrize("key", sorted(MOVED))
def test_a_key_of_before_is_told_what_it_is_now(problems, key):
    assert problems(f"{HOSTS}{key} = 1") == [f"mine.toml: {key}: {MOVED[key]}"]
    assert key not in set(known_keys(Environment))


def test_every_key_of_base_has_a_comment():
    lines = [line for line in BASE.splitlines() if " = " in line and not line.startswith("#")]
    assert [line for line in lines if " # " not in line] == []


@pytest.mark.parametrize("name", environment_names())
def test_environment_files_hold_differences_only(name):
    base, own = tomllib.loads(BASE), tomllib.loads((ENVIRONMENTS / f"{name}.toml").read_text())
    same = [
        f"{section}.{key}"
        for section, values in own.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if base[section][key] == value
    ]
    assert same in ([], ["portal.domain"])  # prod says its domain even if it is the default


def test_there_is_the_original_recipe_and_the_lines_of_today():
    assert {"sandbox", "staging", "prod"} <= set(environment_names())
    assert release_names() == ["0.6.11", "1.13.3", "1.15.0", "1.16.1", "1.17.1"]


@pytest.mark.parametrize("version", release_names())
@pytest.mark.parametrize("name", environment_names())
@pytest.mark.parametrize(("route", "storage"), [("stack", "local"), ("services", "s3")])
def test_every_environment_renders_with_every_release(changed, name, version, route, storage):
    s3 = {"kind": storage, "bucket": "dify-files", "plugin_bucket": "dify-plugins"}
    environment = changed(load_environment(name), portal={"route": route}, storage=s3)
    release = load_release(version)
    secrets = generate(release, {})
    files = {file.name: file for file in stack_files(environment, release, secrets)}
    assert files == {f.name: f for f in stack_files(environment, release, secrets)}
    assert {".env", "compose.yaml"} <= set(files)
    assert "nginx" in files["compose.yaml"].content or route == "services"
    assert {name: file.mode for name, file in files.items() if file.mode == 0o600} == {
        ".env": 0o600,
        "compose.yaml": 0o600,
    }
    settings = env_file.settings(environment, release, secrets)
    assert all(isinstance(value, str) and "{{" not in value for value in settings.values())
    for file in files.values():
        shown = repr(file)
        for name_, secret in secrets.items():
            assert secret.get_secret_value() not in shown
            if file.name != ".env":
                assert secret.get_secret_value() not in file.content, (file.name, name_)


@pytest.mark.parametrize("path", sorted(RELEASES.glob("[0-9]*.toml")), ids=lambda path: path.stem)
def test_a_release_names_its_images_exactly(path):
    for image in tomllib.loads(path.read_text())["images"].values():
        assert image.count(":") == 1
