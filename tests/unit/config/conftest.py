import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.environment import Environment
from config.errors import ConfigError
from config.load import ENVIRONMENTS, load_environment, load_release
from config.release import Release
from config.secrets import generate


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in list(os.environ):
        if name.startswith("ROLLOUT__"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path) -> Path:
    """The committed environments, to add files to."""
    shutil.copytree(ENVIRONMENTS, tmp_path / "environments")
    return tmp_path / "environments"


@pytest.fixture
def problems(folder) -> Callable[[str], list[str]]:
    """What is said of an environment `mine.toml` with this text; the folder is left out."""

    def said(text: str, name: str = "mine") -> list[str]:
        (folder / f"{name}.toml").write_text(text)
        with pytest.raises(ConfigError) as refused:
            load_environment(name, folder)
        assert str(refused.value).splitlines()[:10] == refused.value.problems[:10]
        return [problem.replace(f"{folder}/", "") for problem in refused.value.problems]

    return said


@pytest.fixture
def release() -> Release:
    return load_release("1.15.0")


@pytest.fixture
def environment() -> Environment:
    return load_environment("sandbox")


@pytest.fixture
def changed() -> Callable[..., Environment]:
    """An environment with other keys: `changed(environment, portal={"tls": False})`."""

    def change(environment: Environment, **sections: dict[str, object]) -> Environment:
        tree = environment.model_dump()
        for section, keys in sections.items():
            tree[section] |= keys
        return Environment.model_validate(tree)

    return change


@pytest.fixture
def secrets(release) -> dict[str, SecretStr]:
    return generate(release, {})
