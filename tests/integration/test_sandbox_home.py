"""The sandbox's directory, where the servers' user can reach it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from config.environment import Environment
from config.errors import StepError
from tasks.core import release_file
from tasks.core.owner_mark import require_own
from tasks.core.site import Site
from tasks.platforms.sandbox.home import prepare_home, reachable_home, service_user

MakeSite = Callable[..., Site]


def enters(folder: Path) -> bool:
    """Whether the servers' user can go there."""
    words = ["setpriv", f"--reuid={service_user()}", "--clear-groups", "test", "-x", f"{folder}/."]
    return subprocess.run(words, cwd="/").returncode == 0


def test_a_home_in_a_closed_directory_is_a_link_to_an_open_one(
    sandbox_site: MakeSite, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    site = sandbox_site("closed")
    home = site.environment.sandbox.home
    assert home.is_symlink()
    assert home.resolve() == reachable_home(site)
    assert not enters(tmp_path)
    assert enters(home.resolve())
    prepare_home(site)
    assert home.resolve() == reachable_home(site)


def test_a_link_whose_target_was_deleted_is_filled_again(sandbox_site: MakeSite) -> None:
    site = sandbox_site("hollow")
    home = site.environment.sandbox.home
    shutil.rmtree(home.resolve())
    prepare_home(site)
    assert home.is_dir()
    assert enters(home.resolve())


def test_a_home_that_is_in_use_in_a_closed_place_is_left_alone(sandbox_site: MakeSite) -> None:
    site = sandbox_site("used")
    home = site.environment.sandbox.home
    home.unlink()
    home.mkdir()
    (home / "something").touch()
    with pytest.raises(StepError, match="user dify-rollout, as whom the servers run, cannot reach"):
        prepare_home(site)
    assert (home / "something").exists()


def test_a_home_everybody_can_reach_stays_where_it_is(sandbox_site: MakeSite) -> None:
    place = Path("/var/tmp") / f"rollout-test-{os.getpid()}"
    try:
        site = sandbox_site(sandbox={"home": place, "prefect_port": 4299})
        assert place.is_dir() and not place.is_symlink()
        assert enters(place)
        assert not reachable_home(site).exists()
    finally:
        shutil.rmtree(place)


def test_two_homes_never_share_a_directory(sandbox_site: MakeSite) -> None:
    one, two = sandbox_site("one"), sandbox_site("two")
    homes = {site.environment.sandbox.home.resolve() for site in (one, two)}
    assert len(homes) == 2


def test_a_home_of_another_environment_is_left_alone(sandbox_site: MakeSite) -> None:
    site = sandbox_site("marked")
    other = site.environment.model_copy(update={"name": "other"})
    with pytest.raises(StepError, match="belongs to the environment sandbox, and this is other"):
        prepare_home(Site(other, site.release, site.secrets, site.node))
    prepare_home(site)


def test_a_stack_of_another_environment_is_left_alone(sandbox_site: MakeSite) -> None:
    site = sandbox_site("stacked")
    release_file.update(site.environment, site.node, version="1.15.0")
    tree = site.environment.model_dump()
    tree["name"], tree["platform"]["kind"] = "other", "external"
    tree["images"]["source"] = "registry"
    with pytest.raises(StepError, match=r"/stack belongs to the environment sandbox") as refused:
        require_own(Environment.model_validate(tree), site.node)
    assert "set dify.home of other" in refused.value.advice
