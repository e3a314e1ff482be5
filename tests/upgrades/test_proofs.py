"""What is proved before an upgrade: images, its point by a drill, and all of it by a rehearsal."""

from dataclasses import replace

import pytest

from config.errors import StepError
from flows.parts.graph import Graph
from flows.parts.rehearsing import rehearsed
from flows.parts.upgrading import Upgrading, back
from tasks.core import release_file, upgrade_mark
from tasks.core.release_file import Promoted
from tasks.core.site import Site
from tasks.points.backup import silent, take
from tasks.points.repository import open_repository
from tasks.points.vectors import NEAREST
from tasks.upgrades import way
from tests.integration.upgrading import (
    NEW,
    OLD,
    dify,
    images,
    require_served_as_before,
    sql_step,
    state,
    to,
    upgrade,
)

__all__ = ["dify"]


def test_another_image_than_the_promoted_one_is_refused_while_dify_runs(dify: Site) -> None:
    was, wanted = images(dify), to(dify, NEW)
    source = Promoted("staging", NEW, {wanted.release.images["api"]: f"sha256:{'0' * 64}"})
    site = Site(wanted.environment, wanted.release, wanted.secrets, promoted=source)
    upgrading = Upgrading(Graph(site), site, replace(way.find(site), steps=()))
    with pytest.raises(StepError, match="is another image than staging was verified with"):
        upgrading.carry_out(drilled=False)
    assert images(dify) == was and upgrade_mark.read(dify) is None


def test_a_rehearsal_measures_the_upgrade_and_changes_nothing(dify: Site) -> None:
    repository = open_repository(dify, create=True)
    point = take(dify, repository, reason="asked", on_progress=silent).point
    before, wanted = state(dify), to(dify, NEW)
    never = sql_step("after", "SELECT 1", "SELECT 1", "2", optional=True)
    stepped = sql_step("before", "CREATE TABLE s ()", "SELECT to_regclass('s') IS NULL", "false")
    found = replace(way.find(wanted), steps=(stepped, never))
    report = rehearsed(Graph(wanted), wanted, found)
    assert report.point == point and 0 < report.downtime_s < report.seconds
    assert [check.probe for check in report.checks if check.bad] == []
    assert {"the schema is the point's", NEAREST} <= {check.probe for check in report.checks}
    assert [note.split(" is not done")[0] for note in report.notes[1:]] == ["a-step-after"]
    assert state(dify) == before and upgrade_mark.read(dify) is None
    assert release_file.read(dify.environment, dify.node).hand_steps == {}


def test_the_point_of_an_upgrade_is_proved_by_a_drill(dify: Site) -> None:
    before = state(dify)
    report = upgrade(dify).carry_out(drilled=True)
    assert "which is proved by a drill in " in report.proved
    assert "drill" in [name for name, _ in report.parts]
    back(Graph(to(dify, OLD)))
    require_served_as_before(dify, before)
