"""The whole way from an older release that has a file to the newest, and back."""

from pathlib import Path
from typing import Any

import pytest

from flows.parts.graph import Graph
from flows.parts.upgrading import Upgrading, back
from tasks.steps import revisions
from tasks.upgrades import way
from tests.integration.upgrading import HEADS, NEW, in_use, require_served_as_before, state, to


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "undone"),
    [("1.13.3", ["backfill-plugin-auto-upgrade"]), ("1.16.1", [])],
)
def test_with_the_hand_steps_of_all_releases_between(
    sandbox_site: Any, tmp_path: Path, old: str, undone: list[str]
) -> None:
    """A stand-in knows no hand step: an optional one is noted, and the upgrade goes on."""
    with in_use(sandbox_site, tmp_path / "repository", old) as dify:
        before, wanted = state(dify), to(dify, NEW)
        report = Upgrading(Graph(wanted), wanted, way.find(wanted)).carry_out(drilled=False)
        assert (report.old, report.new, report.serves) == (old, NEW, NEW)
        noted = [note for note in report.notes if " is not done (" in note]
        assert [note.split(" is not done")[0] for note in noted] == undone
        assert revisions.in_database(dify) == HEADS[NEW]
        back(Graph(to(dify, old)))
        require_served_as_before(dify, before)
