"""The file of an environment names the release that runs, or a person hears what to write."""

import shutil
from pathlib import Path

import pytest

from config.load import ENVIRONMENTS, load_environment
from tasks.upgrades.environment_file import follow

NEW = "1.17.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ENVIRONMENTS, tmp_path / "environments")
    return tmp_path / "environments"


def test_the_next_deploy_has_the_release_of_the_upgrade(folder: Path) -> None:
    before = (folder / "prod.toml").read_text()
    assert follow("prod", NEW, folder).endswith("prod.toml says release 1.17.1 now: commit it")
    assert load_environment("prod", folder).dify.release == NEW
    kept = [line for line in before.splitlines() if line.startswith("#")]
    assert set(kept) <= set((folder / "prod.toml").read_text().splitlines())
    assert follow("prod", NEW, folder) == ""


def test_a_variable_that_says_another_release_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT__DIFY__RELEASE", "1.15.0")
    assert "a variable says another one: change that too" in follow("prod", NEW, folder)


def test_a_file_that_one_line_cannot_change_is_left_to_a_person(folder: Path) -> None:
    path = folder / "mine.toml"
    path.write_text(
        "platform.kind = 'external'\npostgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n"
        'dify = { release = "1.15.0" }\n'
    )
    before = path.read_text()
    said = follow("mine", NEW, folder)
    assert said.startswith('write release = "1.17.1" under [dify] of')
    assert path.read_text() == before
