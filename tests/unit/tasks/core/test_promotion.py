"""Which promotion is a deploy, and which an upgrade."""

from pathlib import Path

import pytest

from config.errors import StepError
from config.load import load_environment, load_release
from tasks.core import release_file
from tasks.core.promotion import require_no_upgrade
from tasks.core.release_file import Promoted
from tasks.core.site import Site


def site(home: Path, *, runs: str, promoted: str) -> Site:
    """A sandbox that runs one release and gets another from staging."""
    found = load_environment("sandbox")
    environment = found.model_copy(update={"dify": found.dify.model_copy(update={"home": home})})
    source = Promoted("staging", promoted, {}) if promoted else None
    made = Site(environment, load_release(promoted or runs), {}, promoted=source)
    release_file.update(environment, made.node, version=runs)
    return made


def test_a_newer_release_is_promoted_by_an_upgrade(tmp_path: Path) -> None:
    with pytest.raises(StepError) as error:
        require_no_upgrade(site(tmp_path, runs="1.15.0", promoted="1.17.1"))
    assert error.value.cause == "staging runs Dify 1.17.1, and sandbox an older one"
    assert error.value.advice.startswith("rollout promote staging sandbox upgrades it")


@pytest.mark.parametrize(
    ("runs", "promoted"), [("1.17.1", "1.17.1"), ("", "1.17.1"), ("1.15.0", "")]
)
def test_the_same_release_the_first_one_and_none_are_deployed(
    tmp_path: Path, runs: str, promoted: str
) -> None:
    require_no_upgrade(site(tmp_path, runs=runs, promoted=promoted))
