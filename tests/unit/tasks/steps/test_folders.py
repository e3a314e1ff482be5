"""Directories of state that were given to another user by hand."""

import os
from pathlib import Path

import pytest

from config.environment import Environment
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.settings import Folders

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root gives files away")
SOMEBODY = 12_345


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    tree = load_environment("sandbox").model_dump()
    tree["dify"]["data"] = tmp_path / "data"
    environment = Environment.model_validate(tree)
    made = Folders(Site(environment, load_release(environment.dify.release), {}))
    converge(made)
    return made


def test_a_volume_that_was_given_away_comes_back_with_all_that_is_in_it(
    folders: Folders, tmp_path: Path
) -> None:
    folder, owner = next(iter(folders._wanted().items()))
    inside, outside = folder / "deep" / "file", tmp_path / "outside"
    inside.parent.mkdir()
    for path in (inside, outside):
        path.write_text("")
        os.chown(path, SOMEBODY, SOMEBODY)
    (folder / "link").symlink_to(outside)
    os.chown(folder, SOMEBODY, SOMEBODY)
    assert [change.what for change in converge(folders).changes] == [f"prepare {folder}"]
    assert inside.stat().st_uid == folder.stat().st_uid == owner
    assert outside.stat().st_uid == SOMEBODY
    assert converge(folders).changes == ()
